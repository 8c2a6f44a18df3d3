import { describe } from 'vitest'
import { MemoryByteStore } from '../../../src/streams/state/memory-byte-store.ts'
import { byteStoreContract } from '../../contract/byte-store-contract.ts'

describe('MemoryByteStore', () => {
  byteStoreContract(() => new MemoryByteStore())
})
