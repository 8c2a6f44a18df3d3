import { describe, expect, it } from 'vitest'
import { decodeMetadata, encodeMetadata } from '../../../src/streams/runtime/offset-metadata.ts'

describe('offset metadata', () => {
  it('comes back as it was committed', () => {
    const metadata = { partitionTime: 12, operators: new Map([['store', 7]]) }
    expect(decodeMetadata(encodeMetadata(metadata))).toEqual(metadata)
    expect(decodeMetadata(encodeMetadata({ partitionTime: -1, operators: new Map() }))).toEqual({ partitionTime: -1, operators: new Map() })
  })

  it.each([undefined, '', 'AgAAAAAAAAAF', '{"partitionTime":"x","operators":5}', '[1]', 'null'])('counts %j as nothing known', (text) => {
    expect(decodeMetadata(text)).toEqual({ partitionTime: -1, operators: new Map() })
  })
})
