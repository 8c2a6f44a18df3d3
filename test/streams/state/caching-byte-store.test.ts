import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CacheBudget, CachingByteStore } from '../../../src/streams/state/caching-byte-store.ts'
import type { CachingOptions } from '../../../src/streams/state/caching-byte-store.ts'
import type { FlushedRow } from '../../../src/streams/state/flushed-row.ts'
import { MemoryByteStore } from '../../../src/streams/state/memory-byte-store.ts'
import { WriteBackStore } from '../../../src/streams/state/write-back-store.ts'
import { StreamRecord, noHeaders } from '../../../src/streams/stream-record.ts'

const bytes = fc.uint8Array({ maxLength: 3 })
const command = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('put' as const), key: bytes, value: fc.option(bytes) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('get' as const), key: bytes }) },
  { weight: 1, arbitrary: fc.constant({ do: 'commit' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'rollback' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('scan' as const), reverse: fc.boolean() }) },
)

type MakeCache = (options: CachingOptions) => CachingByteStore | WriteBackStore

describe.each<readonly [string, MakeCache]>([
  ['CachingByteStore', (options) => new CachingByteStore(new MemoryByteStore(), options)],
  ['WriteBackStore', (options) => new WriteBackStore(new MemoryByteStore(), null, options)],
])('%s', (_name, make) => {
  it('shows what a store without a cache would, within its bytes, whatever is evicted', () => {
    fc.assert(fc.property(fc.array(command, { maxLength: 150 }), fc.constantFrom(300, 1_000, 100_000), (commands, maxBytes) => {
      const { cache, budget, at } = cacheOf(make, maxBytes)
      let model = new Map<string, Uint8Array>()
      let committed = new Map(model)
      for (const [time, step] of commands.entries()) {
        at(time)
        if (step.do === 'put') {
          cache.put(step.key, step.value)
          if (step.value === null) model.delete(hex(step.key))
          else model.set(hex(step.key), step.value)
        } else if (step.do === 'get') {
          expect(cache.get(step.key)).toEqual(model.get(hex(step.key)) ?? null)
          expect(cache.borrow(step.key)).toEqual(model.get(hex(step.key)) ?? null)
        } else if (step.do === 'commit') {
          cache.flush()
          cache.commit()
          committed = new Map(model)
        } else if (step.do === 'rollback') {
          cache.rollback()
          model = new Map(committed)
          expect(budget.usedBytes).toBe(0)
        } else {
          const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
          expect([...cache.scan({ reverse: step.reverse })].map(({ key, value }) => [hex(key), value])).toEqual(step.reverse ? sorted.reverse() : sorted)
        }
        expect(cache.count()).toBe(model.size)
        expect(budget.usedBytes).toBeLessThanOrEqual(maxBytes)
      }
    }), { numRuns: 200 })
  })

  it('sends the last value of each key at a flush, in the order of their first writes, with the record that wrote it last', () => {
    const { cache, at, flushed } = cacheOf(make, 100_000)
    for (const [time, name] of ['b', 'a', 'b', 'c', 'a'].entries()) {
      at(time)
      cache.put(Buffer.from(name), Uint8Array.of(time))
    }
    cache.flush()
    cache.flush()
    expect(flushed).toEqual([['b', 2, 2], ['a', 4, 4], ['c', 3, 3]])
  })

  it('takes a write that a flush leads to, and sends it on with the next flush', () => {
    const { cache, flushed, onNext } = cacheOf(make, 130)
    onNext(() => cache.put(Buffer.from('again'), Uint8Array.of(9)))
    cache.put(Buffer.from('a'), Uint8Array.of(1))
    cache.flush()
    expect(flushed.map(([name]) => name)).toEqual(['a'])
    cache.flush()
    expect(flushed.map(([name]) => name)).toEqual(['a', 'again'])
    expect(cache.get(Buffer.from('again'))).toEqual(Uint8Array.of(9))
  })
})

function cacheOf(make: MakeCache, maxBytes: number) {
  const budget = new CacheBudget(maxBytes)
  const flushed: (readonly [string, number | undefined, number])[] = []
  let next: (() => void) | null = null
  let current = recordAt(0)
  const cache = make({ budget, currentRecord: () => current, noteOrigin: (origins, row) => origins.set(row, current), enter: (record) => { current = record }, enterRow: (origins, row) => { current = origins.get(row) } })
  cache.onFlush(({ table, row, record }: FlushedRow) => {
    const valueAt = table.offset(row) + table.keyLength(row)
    flushed.push([Buffer.from(table.page(row).subarray(table.offset(row), valueAt)).toString(), table.valueLength(row) < 0 ? undefined : table.page(row)[valueAt], record.timestamp])
    next?.()
    next = null
  }, false)
  return { cache, budget, flushed, at: (time: number) => { current = recordAt(time) }, onNext: (work: () => void) => { next = work } }
}

function recordAt(timestamp: number): StreamRecord {
  return new StreamRecord(null, null, timestamp, noHeaders, { topic: 't', partition: 0, offset: timestamp, rawKey: null, rawValue: null })
}

function hex(bytesOfKey: Uint8Array): string {
  return Buffer.from(bytesOfKey).toString('hex')
}
