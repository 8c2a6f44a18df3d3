import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CacheBudget, CachingByteStore } from '../../../src/streams/state/caching-byte-store.ts'
import type { CachingOptions } from '../../../src/streams/state/caching-byte-store.ts'
import type { FlushedRow } from '../../../src/streams/state/flushed-row.ts'
import { ChangelogByteStore } from '../../../src/streams/state/changelog-byte-store.ts'
import { reporterOf } from '../../../src/streams/state/changelog-reporter.ts'
import { ScratchBytes } from '../../../src/streams/state/scratch-bytes.ts'
import { SegmentedByteStore } from '../../../src/streams/state/segmented-byte-store.ts'
import { windowKey, windowKeys, windowStartOf } from '../../../src/streams/state/store-keys.ts'
import { WriteBackSegments } from '../../../src/streams/state/write-back-segments.ts'
import { StreamRecord, noHeaders, noOrigin } from '../../../src/streams/stream-record.ts'

interface Kind {
  readonly refuses: 'row' | 'segment'
  readonly byTime: boolean
  readonly isOwned: boolean
  readonly withOldValues: boolean
}

interface Write {
  readonly key: string
  readonly time: number
  readonly value: string | null
}

const names = ['a', 'b', 'cd'] as const
const lastTime = 70
const ranges = [{}, { reverse: true }, { fromTime: 20 }, { byTime: true }] as const
const write: fc.Arbitrary<Write> = fc.record({ key: fc.constantFrom(...names), time: fc.oneof(fc.nat(lastTime), fc.constantFrom(10, 11, 12, 26)), value: fc.option(fc.string({ maxLength: 2 }), { freq: 3 }) })
const steps = <Step extends string>(...others: readonly Step[]) => fc.array(fc.oneof({ weight: 8, arbitrary: write }, { weight: 3, arbitrary: fc.constantFrom(...others) }), { maxLength: 60, size: 'max' })
const kinds = fc.record({ refuses: fc.constantFrom('row' as const, 'segment' as const), byTime: fc.boolean(), isOwned: fc.boolean(), withOldValues: fc.boolean() })

/** What others see of a cache, and its content. */
function observed(kind: 'own rows' | 'rows of the segments', { refuses, byTime, isOwned, withOldValues }: Kind) {
  const seen: string[] = []
  const textOf = (part: Uint8Array | null) => (part === null ? 'nothing' : Buffer.from(part).toString())
  const keyOf = (key: Uint8Array) => `${textOf(windowKeys.baseOf(key))}@${windowStartOf(key)}`
  const reporter = reporterOf((key, value) => { seen.push(`${keyOf(key)}=${textOf(value)}`) })
  const record = new StreamRecord(null, null, 1, noHeaders, noOrigin)
  const options: CachingOptions = { budget: new CacheBudget(100_000), currentRecord: () => record, noteOrigin: (origins, row) => origins.set(row, record), enter: () => {}, enterRow: () => {} }
  const segmentMs = 10
  const segments = new SegmentedByteStore({
    keys: windowKeys, retentionMs: 15, segmentMs, refuses, byTime, duplicates: false, keptBytes: kind === 'own rows' ? 0 : 100_000, onExpired: () => { seen.push('expired') },
  })
  const timed = { timeOf: windowStartOf, segmentOf: (time: number) => Math.floor(time / segmentMs), byTime: (key: Uint8Array) => windowKeys.byTime(key) }
  const cache = kind === 'own rows' ? new CachingByteStore(new ChangelogByteStore(segments, reporter), { ...options, timed }) : new WriteBackSegments(segments, windowKeys, reporter, options)
  const onFlush = ({ table, row, oldValue }: FlushedRow) => {
    const at = table.offset(row)
    const key = table.page(row).slice(at, at + table.keyLength(row))
    const value = table.valueLength(row) < 0 ? null : table.page(row).slice(at + key.length, at + key.length + table.valueLength(row))
    seen.push(`${keyOf(key)}: ${textOf(oldValue)} → ${textOf(value)}`)
  }
  if (isOwned) cache.onFlush(onFlush, withOldValues)
  const asked = new ScratchBytes()
  /** Over the old value where that may be. */
  const put = (key: Uint8Array, value: Uint8Array | null) => {
    segments.notice(windowStartOf(key))
    asked.copy(key, 0, key.length)
    const row = cache.findIn(asked, key.length)
    if (row >= 0 && value !== null && value.length === cache.table.valueLength(row) && cache.overwrites(row)) cache.table.page(row).set(value, cache.table.offset(row) + key.length)
    else cache.put(key, value)
  }
  const content = (range: { readonly fromTime?: number; readonly byTime?: boolean; readonly reverse?: boolean }) =>
    [...cache.scan(range)].map(({ key, value }) => `${keyOf(key)}=${textOf(value)}`).join(' ')
  const rows = () => names.flatMap((key) => Array.from({ length: lastTime + 1 }, (_, time) => textOf(cache.get(windowKey(Buffer.from(key), time))))).join(' ')
  return { cache, segments, seen, put: ({ key, time, value }: Write) => put(windowKey(Buffer.from(key), time), value === null ? null : Buffer.from(value)), content, rows }
}

describe('WriteBackSegments', () => {
  it('logs, refuses, sends on and shows what a cache with rows of its own would in front of the same segments', () => {
    fc.assert(fc.property(kinds, steps('flush', 'commit'), (kind, commands) => {
      const sides = [observed('own rows', kind), observed('rows of the segments', kind)] as const
      for (const [index, step] of commands.entries()) {
        for (const { cache, put } of sides) {
          if (typeof step === 'object') put(step)
          else cache.flush()
          if (step === 'commit') cache.commit()
        }
        const range = ranges[index % ranges.length]!
        expect(sides[1].content(range)).toBe(sides[0].content(range))
      }
      expect(sides[1].seen).toEqual(sides[0].seen)
      expect(sides[1].rows()).toBe(sides[0].rows())
    }), { numRuns: 100 })
  })

  it('goes back to the last commit as such a cache does, with all that is in retention', () => {
    fc.assert(fc.property(kinds, steps('flush', 'commit', 'rollback'), (kind, commands) => {
      const sides = [observed('own rows', kind), observed('rows of the segments', kind)] as const
      for (const step of commands) {
        for (const { cache, put } of sides) {
          if (typeof step === 'object') put(step)
          else if (step !== 'rollback') cache.flush()
          if (step === 'commit') cache.commit()
          if (step === 'rollback') cache.rollback()
        }
        const range = { fromTime: sides[0].segments.firstNoticedTime }
        expect(sides[1].content(range)).toBe(sides[0].content(range))
      }
      expect(sides[1].seen).toEqual(sides[0].seen)
    }), { numRuns: 100 })
  })
})
