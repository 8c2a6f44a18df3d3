import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { isStreamError, systemClock } from '../../../src/core/index.ts'
import { DiskState } from '../../../src/streams/state/disk-state.ts'
import { loadLmdb } from '../../../src/streams/state/lmdb.ts'
import { byteStoreContract } from '../../contract/byte-store-contract.ts'

const directory = mkdtempSync(join(tmpdir(), 'millrace-lmdb-'))
const lmdb = await loadLmdb()
const open = (name: string) => new DiskState({ lmdb, directory: join(directory, name), syncs: false, clock: systemClock })

const disk = open('contract')
let opened = 0

afterAll(async () => {
  await disk.close()
  rmSync(directory, { recursive: true, force: true })
})

describe('LmdbByteStore', () => {
  // Each store is a segment of its own: rows of the others must not show.
  byteStoreContract(() => disk.segment('stores', opened++), { runs: 60 })

  it('has on disk what was committed, and nothing of what was not, when it is opened again', async () => {
    const first = open('again')
    const rows = first.table('store', 'rows')
    rows.put(Uint8Array.of(1), Uint8Array.of(10))
    rows.put(Uint8Array.of(2), Uint8Array.of(20))
    rows.commit()
    rows.put(Uint8Array.of(1), null)
    rows.put(Uint8Array.of(3), Uint8Array.of(30))
    await first.close()
    const second = open('again')
    expect([...second.table('store', 'rows').scan({})].map(({ key, value }) => [...key, ...value])).toEqual([[1, 10], [2, 20]])
    await second.close()
  })

  it('keeps a store apart from others, and forgets all of it when told', () => {
    const [a, b] = [disk.table('apart-a', 'rows'), disk.table('apart-b', 'rows')]
    for (const store of [a, b]) {
      store.put(Uint8Array.of(1), Uint8Array.of(1))
      store.commit()
    }
    a.put(Uint8Array.of(2), Uint8Array.of(2))
    a.wipe()
    expect([a.count(), b.count()]).toEqual([0, 1])
  })

  it('tells who reads its rows that it was closed meanwhile', async () => {
    const closing = open('closing')
    const rows = closing.table('store', 'rows')
    for (let key = 0; key < 200; key++) rows.put(Uint8Array.of(key), Uint8Array.of(key))
    rows.commit()
    const scan = rows.scan({})[Symbol.iterator]()
    expect(scan.next().value.value).toEqual(Uint8Array.of(0))
    await closing.close()
    expect(() => Array.from({ length: 200 }, () => scan.next())).toThrow(expect.toSatisfy((error) => isStreamError(error, 'STORE_NOT_AVAILABLE')))
  })

  it('says what to do about a key that is too long', () => {
    expect(() => disk.table('long', 'rows').put(new Uint8Array(5000), Uint8Array.of(1))).toThrow(/key of 5000 bytes.*inMemory/)
  })
})

describe('DiskState', () => {
  it('knows the segments of a store that have rows', () => {
    for (const segment of [7, 300, 3]) {
      const rows = disk.segment('segmented', segment)
      rows.put(Uint8Array.of(1), Uint8Array.of(segment & 0xff))
      rows.commit()
    }
    expect(disk.segments('segmented')).toEqual([3, 7, 300])
    disk.segment('segmented', 7).wipe()
    expect(disk.segments('segmented')).toEqual([3, 300])
    expect(disk.segments('no such store')).toEqual([])
  })

  it('keeps checkpoints', () => {
    expect(disk.checkpoint('log')).toBeNull()
    disk.setCheckpoint('log', 12)
    expect(disk.checkpoint('log')).toMatchObject({ offset: 12 })
    disk.forgetCheckpoint('log')
    expect(disk.checkpoint('log')).toBeNull()
  })
})
