import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import type { Header, Serde } from '../../../src/core/index.ts'
import { RecordBatchBuilder } from '../../../src/core/log/record-batch-builder.ts'
import { RecordBatchView } from '../../../src/core/log/record-batch.ts'
import { readRecord } from '../../../src/streams/record-head.ts'
import { unread } from '../../../src/streams/stream-record.ts'
import type { StreamRecord } from '../../../src/streams/stream-record.ts'
import { openStore } from '../../../src/streams/state/open-store.ts'
import type { WindowStore } from '../../../src/streams/state/window-store.ts'
import type { StoreSpec } from '../../../src/streams/topology/node.ts'
import { noBytes } from '../../../src/streams/state/bytes.ts'
import { TestStoreHost, specOf } from './store-host.ts'
import type { LoggedRow } from './store-host.ts'

interface Read {
  readonly key: string
  readonly value: string | null
  readonly timestamp: number
  readonly headers: readonly Header[]
  /** What operators gave it before it came to the store. */
  readonly given: 'nothing' | 'key' | 'value' | 'headers' | 'time'
}

/** Writes each value twice: what it writes is not what was read. */
const doublingSerde: Serde<string> = { serialize: (text) => stringSerde.serialize(text + text), deserialize: (bytes) => stringSerde.deserialize(bytes).slice(0, bytes.length / 2) }

/** As a task reads them, but for its last one: the reader has passed them by. */
function recordsOf(reads: readonly Read[]): readonly StreamRecord[] {
  const builder = new RecordBatchBuilder({ maxBytes: 1 << 20 })
  for (const { key, value, timestamp, headers } of reads) builder.add(Buffer.from(key), value === null ? null : Buffer.from(value), timestamp, headers)
  const reader = new RecordBatchView(builder.build().bytes).reader()
  const batch = { place: { topic: 'left', partition: 0, keySerde: stringSerde, valueSerde: stringSerde } as never, reader, block: null }
  return reads.map(({ value, timestamp, headers, given }) => {
    reader.next()
    return changed(readRecord(batch, reader.offset, reader.mark, unread, value, timestamp, headers), given)
  })
}

function changed(record: StreamRecord, given: Read['given']): StreamRecord {
  switch (given) {
    case 'nothing': return record
    case 'key': return record.withKey('another key')
    case 'value': return record.withValue('another value')
    case 'headers': return record.withHeaders([{ key: 'h', value: Buffer.from('new') }])
    case 'time': return record.withTimestamp(record.timestamp + 1)
  }
}

function textOf(row: LoggedRow): string {
  return `${Buffer.from(row.key).toString('hex')} ${JSON.stringify(partsOf(row))}`
}

function partsOf({ value, timestamp, headers }: LoggedRow): readonly unknown[] {
  return [value && Buffer.from(value).toString('latin1'), timestamp, headers.map((header) => [header.key, Buffer.from(header.value!).toString()])]
}

/** The changelog has the value as the store writes it, and the headers of the record where they are asked for. */
function partsToLog({ valueSerde, logsHeaders }: StoreSpec, { value, timestamp, headers }: StreamRecord): readonly unknown[] {
  return partsOf({ key: noBytes, value: value === null ? null : valueSerde.serialize(value), timestamp, headers: logsHeaders === true ? headers : [] })
}

const read = fc.record({
  key: fc.constantFrom('', 'a', 'ab', 'abcd', 'é'),
  value: fc.option(fc.oneof(fc.string({ maxLength: 12 }), fc.constant('long '.repeat(120))), { freq: 8 }),
  timestamp: fc.oneof(fc.nat(20), fc.nat(400_000)),
  headers: fc.constantFrom<readonly Header[]>([], [], [{ key: 'h', value: Buffer.from('v') }]),
  given: fc.constantFrom<Read['given']>('nothing', 'nothing', 'nothing', 'key', 'value', 'headers', 'time'),
})

describe.each([
  { about: 'a stream join', spec: specOf({ type: 'window', retentionMs: 120_000, windowSizeMs: 10, retainDuplicates: true, logsHeaders: true }) },
  { about: 'a program, without headers', spec: specOf({ type: 'window', retentionMs: 120_000, windowSizeMs: 10, retainDuplicates: true }) },
  { about: 'a program, with another form of values', spec: specOf({ type: 'window', retentionMs: 120_000, windowSizeMs: 10, retainDuplicates: true, valueSerde: doublingSerde as Serde<unknown> }) },
  { about: 'a program, with another form of keys', spec: specOf({ type: 'window', retentionMs: 120_000, windowSizeMs: 10, retainDuplicates: true, keySerde: doublingSerde as Serde<unknown> }) },
  { about: 'a program, in the order of time', spec: specOf({ type: 'window', retentionMs: 120_000, windowSizeMs: 10, retainDuplicates: true, timeOrdered: true }) },
  { about: 'one value each', spec: specOf({ type: 'window', retentionMs: 120_000, windowSizeMs: 10 }) },
])('putRecord of a window store of $about', ({ spec }) => {
  it('keeps and logs what put does with key, value and time of the record', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.array(read, { minLength: 1, maxLength: 12 }), fc.constantFrom('commit', 'rollback', 'on')), { maxLength: 4 }), (steps) => {
      const [host, plainHost] = [new TestStoreHost(), new TestStoreHost()]
      const [store, plain] = [openStore(spec, host), openStore(spec, plainHost)]
      const [view, plainView] = [store, plain].map((each) => each.view as WindowStore<unknown, unknown>)
      for (const [reads, end] of steps) {
        for (const record of recordsOf(reads)) {
          host.enter(record)
          const logged = host.logged.length
          view!.putRecord(record)
          if (host.logged.length > logged) expect(partsOf(host.logged.at(-1)!)).toEqual(partsToLog(spec, record))
          plainHost.enter(record)
          plainView!.put(record.key, record.value, record.timestamp)
        }
        for (const each of [store, plain]) {
          if (end === 'commit') each.commit()
          if (end === 'rollback') each.rollback()
        }
        expect(JSON.stringify([...view!.all()])).toBe(JSON.stringify([...plainView!.all()]))
        expect(host.logged.map(textOf)).toEqual(plainHost.logged.map(textOf))
        expect(host.expiredRows).toBe(plainHost.expiredRows)
      }
    }))
  })
})
