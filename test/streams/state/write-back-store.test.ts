import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CacheBudget, CachingByteStore } from '../../../src/streams/state/caching-byte-store.ts'
import type { CachingOptions } from '../../../src/streams/state/caching-byte-store.ts'
import type { FlushedRow } from '../../../src/streams/state/flushed-row.ts'
import { ChangelogByteStore } from '../../../src/streams/state/changelog-byte-store.ts'
import { reporterOf } from '../../../src/streams/state/changelog-reporter.ts'
import { MemoryByteStore } from '../../../src/streams/state/memory-byte-store.ts'
import { ScratchBytes } from '../../../src/streams/state/scratch-bytes.ts'
import { WriteBackStore } from '../../../src/streams/state/write-back-store.ts'
import { StreamRecord, noHeaders, noOrigin } from '../../../src/streams/stream-record.ts'

const command = fc.oneof(
  { weight: 8, arbitrary: fc.record({ key: fc.constantFrom('a', 'b', 'cd'), value: fc.option(fc.string({ maxLength: 3 }), { freq: 2 }) }) },
  { weight: 3, arbitrary: fc.constantFrom('flush' as const, 'commit' as const, 'rollback' as const) },
)

/** What others see of a cache, and its content. */
function observed(kind: 'own rows' | 'rows of the store', withOldValues: boolean, isOwned: boolean) {
  const seen: string[] = []
  const textOf = (bytes: Uint8Array | null) => (bytes === null ? 'nothing' : Buffer.from(bytes).toString())
  const reporter = reporterOf((key, value) => { seen.push(`${textOf(key)}=${textOf(value)}`) })
  const record = new StreamRecord(null, null, 1, noHeaders, noOrigin)
  const options: CachingOptions = { budget: new CacheBudget(100_000), currentRecord: () => record, noteOrigin: (origins, row) => origins.set(row, record), enter: () => {}, enterRow: () => {} }
  const store = new MemoryByteStore()
  const cache = kind === 'own rows' ? new CachingByteStore(new ChangelogByteStore(store, reporter), options) : new WriteBackStore(store, reporter, options)
  const onFlush = ({ table, row, oldValue }: FlushedRow) => {
    const at = table.offset(row)
    const key = table.page(row).slice(at, at + table.keyLength(row))
    const value = table.valueLength(row) < 0 ? null : table.page(row).slice(at + key.length, at + key.length + table.valueLength(row))
    seen.push(`${textOf(key)}: ${textOf(oldValue)} → ${textOf(value)}`)
  }
  if (isOwned) cache.onFlush(onFlush, withOldValues)
  const asked = new ScratchBytes()
  /** Over the old value where that may be. */
  const put = (key: string, value: string | null) => {
    asked.copy(Buffer.from(key), 0, key.length)
    const row = cache.findIn(asked, key.length)
    const bytes = value === null ? null : Buffer.from(value)
    if (row >= 0 && bytes !== null && bytes.length === cache.table.valueLength(row) && cache.overwrites(row)) cache.table.page(row).set(bytes, cache.table.offset(row) + key.length)
    else cache.put(Buffer.from(key), bytes)
  }
  return { cache, put, seen, content: () => [...cache.scan({})].map(({ key, value }) => `${textOf(key)}=${textOf(value)}`) }
}

describe('WriteBackStore', () => {
  it.each([[true, true], [true, false], [false, false]])('logs and sends on what a cache with rows of its own would (sends on: %s, old values: %s)', (isOwned, withOldValues) => {
    fc.assert(fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
      const sides = [observed('own rows', withOldValues, isOwned), observed('rows of the store', withOldValues, isOwned)] as const
      for (const step of commands) {
        for (const { cache, put } of sides) {
          if (typeof step === 'object') put(step.key, step.value)
          else if (step !== 'rollback') cache.flush()
          if (step === 'commit') cache.commit()
          if (step === 'rollback') cache.rollback()
        }
        expect(sides[1].seen).toEqual(sides[0].seen)
        expect(sides[1].content()).toEqual(sides[0].content())
      }
    }))
  })

  it('still logs, and keeps, what was written after the flush before a commit', () => {
    const { cache, put, seen, content } = observed('rows of the store', false, false)
    cache.put(Buffer.from('a'), Buffer.from('1'))
    cache.flush()
    cache.commit()
    cache.put(Buffer.from('b'), Buffer.from('2'))
    cache.commit()
    cache.put(Buffer.from('b'), Buffer.from('3'))
    cache.rollback()
    expect(content()).toEqual(['a=1', 'b=2'])
    put('b', '4')
    expect(content()).toEqual(['a=1', 'b=4'])
    cache.rollback()
    expect(content()).toEqual(['a=1', 'b=2'])
    cache.put(Buffer.from('a'), null)
    cache.commit()
    cache.flush()
    expect(seen).toEqual(['a=1', 'b=2', 'a=nothing'])
    cache.commit()
    expect(cache.count()).toBe(1)
  })
})
