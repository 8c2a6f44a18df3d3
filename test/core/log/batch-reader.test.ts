import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeysAhead, RecordsAhead, bytesSerde, stringSerde } from '../../../src/core/index.ts'
import type { RecordReader, RecordView } from '../../../src/core/index.ts'
import type { BatchReader } from '../../../src/core/log/batch-reader.ts'
import { RecordBatchBuilder } from '../../../src/core/log/record-batch-builder.ts'
import { RecordBatchView, batchHeaderBytes } from '../../../src/core/log/record-batch.ts'

/** Short ones mostly; some whose length takes two bytes, or three. */
const part = fc.option(fc.tuple(fc.oneof(fc.nat({ max: 5 }), fc.nat({ max: 150 }), fc.integer({ min: 8_180, max: 8_200 })), fc.nat({ max: 255 })).map(([length, byte]) => new Uint8Array(length).fill(byte)))
const records = fc.array(fc.record({
  key: part,
  value: part,
  timestamp: fc.oneof(fc.nat({ max: 10_000_000 }), fc.nat({ max: 1_000_000_000 }), fc.maxSafeNat()),
  headers: fc.array(fc.record({ key: fc.string(), value: part }), { maxLength: 2 }),
}), { minLength: 1, maxLength: 8 })

function batchOf(contents: readonly { key: Uint8Array | null; value: Uint8Array | null; timestamp: number; headers: readonly { key: string; value: Uint8Array | null }[] }[]): Uint8Array {
  const builder = new RecordBatchBuilder({ maxBytes: 1 << 22 })
  for (const { key, value, timestamp, headers } of contents) builder.add(key, value, timestamp, headers)
  return builder.build().bytes
}

function hex(bytes: Uint8Array | null): string {
  return bytes === null ? 'null' : Buffer.from(bytes).toString('hex')
}

/** What is to be seen of each record, up to what ends it. */
function seen(each: (see: (record: Pick<RecordView, 'offset' | 'timestamp' | 'headers'>, key: Uint8Array | null, value: Uint8Array | null) => void) => void): readonly string[] {
  const all: string[] = []
  try {
    each(({ offset, timestamp, headers }, key, value) => all.push(`${offset} ${timestamp} ${hex(key)} ${hex(value)} ${headers.map((header) => `${header.key}=${hex(header.value)}`).join()}`))
    all.push('end')
  } catch (error) {
    all.push(String(error))
  }
  return all
}

function iterated(batch: RecordBatchView): readonly string[] {
  return seen((see) => { for (const record of batch) see(record, record.key, record.value) })
}

function read(batch: RecordBatchView): readonly string[] {
  return seen((see) => {
    const reader = batch.reader()
    while (reader.next()) see(reader, reader.keyAs(bytesSerde), reader.valueAs(bytesSerde))
  })
}

function placeOf(reader: BatchReader, mark: number): unknown {
  const { bodyAt, keyAt, keyLength, end } = reader.positionOf(mark)
  return { bodyAt, keyAt, keyLength, end }
}

function highBytesBesideTexts({ window, mark, count, keyAt, keyLength, valueAt, valueLength }: RecordsAhead): number {
  const high = (from: number, to: number) => window!.bytes.subarray(from, Math.max(from, to)).filter((byte) => byte > 127).length
  let all = high(mark[0]!, mark[count]!)
  for (let index = 0; index < count; index++) all -= high(keyAt[index]!, keyAt[index]! + keyLength[index]!) + high(valueAt[index]!, valueAt[index]! + valueLength[index]!)
  return all
}

describe('BatchReader', () => {
  it('shows what iterating over the batch gives', () => {
    fc.assert(fc.property(records, fc.nat({ max: 20 }), (contents, fromOffset) => {
      const batch = new RecordBatchView(batchOf(contents), 0, fromOffset)
      expect(read(batch)).toEqual(iterated(batch))
    }))
  })

  it('fails where iterating over a damaged batch fails, with the same error', () => {
    fc.assert(fc.property(records, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }), (contents, damage) => {
      const bytes = batchOf(contents)
      for (const [at, byte] of damage) bytes[batchHeaderBytes + (at % Math.min(bytes.length - batchHeaderBytes, 60))] = byte
      expect(read(new RecordBatchView(bytes))).toEqual(iterated(new RecordBatchView(bytes)))
    }))
  })

  it('finds the keys of the record that it is at and of those after it, without null ones, and goes on as before', () => {
    const many = fc.array(fc.record({ key: fc.option(fc.uint8Array({ maxLength: 200 })), value: fc.option(fc.uint8Array({ maxLength: 70 })), timestamp: fc.nat(), headers: fc.constant([]) }), { minLength: 1, maxLength: 80 })
    fc.assert(fc.property(many, fc.nat({ max: 90 }), (contents, passed) => {
      const batch = new RecordBatchView(batchOf(contents))
      const reader: RecordReader = batch.reader()
      const at = Math.min(passed, contents.length - 1)
      for (let index = 0; index <= at; index++) reader.next()
      const keys = new KeysAhead()
      keys.begin(reader)
      const found = Array.from({ length: keys.count }, (_, index) => Buffer.from(keys.view.buffer, keys.view.byteOffset + keys.keyAt[index]!, keys.keyLength[index]!).toString('hex'))
      expect(found).toEqual(contents.slice(at, at + KeysAhead.groupSize).flatMap(({ key }) => (key === null ? [] : [hex(key)])))
      let left = 0
      while (reader.next()) left++
      expect(left).toBe(contents.length - at - 1)
    }))
  })

  it('finds keys of a damaged batch only within its bytes', () => {
    fc.assert(fc.property(records, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }), (contents, damage) => {
      const bytes = batchOf(contents)
      const reader: RecordReader = new RecordBatchView(bytes).reader()
      for (const [at, byte] of damage) bytes[batchHeaderBytes + (at % Math.min(bytes.length - batchHeaderBytes, 60))] = byte
      const keys = new KeysAhead()
      try {
        reader.next()
      } catch {
        return
      }
      keys.begin(reader)
      for (let index = 0; index < keys.count; index++) {
        expect(keys.keyLength[index]).toBeGreaterThanOrEqual(0)
        expect(keys.keyAt[index]! + keys.keyLength[index]!).toBeLessThanOrEqual(keys.view.byteLength)
      }
    }))
  })

  it('says where a record stands as finding it by its mark does, also of numbers that are longer than they need be', () => {
    fc.assert(fc.property(records, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 2 }), (contents, damage) => {
      const bytes = batchOf(contents)
      for (const [at, byte] of damage) bytes[batchHeaderBytes + (at % Math.min(bytes.length - batchHeaderBytes, 60))] = byte
      const [reader, twin] = [new RecordBatchView(bytes).reader(), new RecordBatchView(bytes).reader()]
      try {
        while (reader.next()) {
          const { window, bodyAt, keyAt, keyLength, end } = reader.positionOf(reader.mark)
          const found = twin.positionOf(reader.mark)
          expect({ bodyAt, keyAt, keyLength, end }).toEqual({ bodyAt: found.bodyAt, keyAt: found.keyAt, keyLength: found.keyLength, end: found.end })
          expect(window.bytes).toBe(bytes)
        }
      } catch (error) {
        expect(error).toMatchObject({ code: 'CORRUPT_RECORD' })
      }
    }))
  })

  const someAhead = fc.record({ takesNullKeys: fc.boolean(), limit: fc.oneof(fc.nat({ max: 8 }), fc.constant(undefined)), maxBytes: fc.oneof(fc.nat({ max: 20_000 }), fc.constant(undefined)) })

  it('reads ahead what it would read one by one, comes back to any of it, and stops before what is not plain, or not sound, and before the last one', () => {
    fc.assert(fc.property(records, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 2 }), fc.array(fc.nat({ max: 8 }), { minLength: 1, maxLength: 8 }), someAhead, (contents, damage, steps, { takesNullKeys, limit, maxBytes }) => {
      const bytes = batchOf(Array.from({ length: 5 }, () => contents).flat())
      for (const [at, byte] of damage) bytes[batchHeaderBytes + (at % Math.min(bytes.length - batchHeaderBytes, 200))] = byte
      const [reader, twin] = [new RecordBatchView(bytes).reader(), new RecordBatchView(bytes).reader()]
      const ahead = new RecordsAhead(takesNullKeys)
      const next = (each: RecordReader) => {
        try {
          return each.next() ? `${each.offset} ${each.timestamp} ${hex(each.keyAs(bytesSerde))} ${hex(each.valueAs(bytesSerde))} ${each.headers.length} ${each.mark}` : 'end'
        } catch (error) {
          return String(error)
        }
      }
      for (let step = 0, seen = ''; seen !== 'end' && !seen.includes('Error'); step++) {
        expect(seen = next(reader)).toBe(next(twin))
        if (seen === 'end' || seen.includes('Error')) break
        reader.readAhead(ahead, limit, maxBytes)
        const { count, window, keyAt, keyLength, valueAt, valueLength, offset, timestamp, mark } = ahead
        const kept = Math.min(count, steps[step % steps.length]!)
        const part = (at: number, length: number) => (length < 0 ? 'null' : hex(window!.bytes.slice(at, at + length)))
        for (let index = 0; index < kept; index++) {
          const shown = `${offset[index]} ${timestamp[index]} ${part(keyAt[index]!, keyLength[index]!)} ${part(valueAt[index]!, valueLength[index]!)} 0 ${mark[index]}`
          expect(shown).toBe(next(twin))
          expect(timestamp[index]).toBeGreaterThanOrEqual(0)
          expect(keyLength[index]).toBeGreaterThanOrEqual(takesNullKeys ? -1 : 0)
          ahead.index = index
          expect(placeOf(reader, mark[index]!)).toEqual(placeOf(twin, mark[index]!))
        }
        expect(ahead.highBytes).toBe(highBytesBesideTexts(ahead))
        expect(mark[count]! - mark[0]!).toBeLessThanOrEqual(maxBytes ?? Infinity)
        reader.goTo(ahead, kept)
        expect(reader.isBefore(ahead, kept)).toBe(kept < count)
        expect(count).toBeLessThan(Math.min(5 * contents.length - 1, (limit ?? Infinity) + 1))
      }
    }), { numRuns: 500 })
  })

  it('knows the places of the records that were read ahead last, and of no others by these', () => {
    const three = batchOf(['a', 'bcd', 'ef', 'g'].map((text) => ({ key: Buffer.from(text), value: Buffer.from(text), timestamp: 5, headers: [] })))
    const reader = new RecordBatchView(three).reader()
    const other = new RecordBatchView(batchOf([['a', 'a'], ['x', 'equal'], ['y', 'y'], ['z', 'z']].map(([key, value]) => ({ key: Buffer.from(key!), value: Buffer.from(value!), timestamp: 5, headers: [] })))).reader()
    const ahead = new RecordsAhead()
    reader.next()
    reader.readAhead(ahead)
    const marks = [...ahead.mark.subarray(0, ahead.count)]
    const keys = () => marks.map((mark) => reader.keyOf(mark, stringSerde))
    expect(keys()).toEqual(['bcd', 'ef'])
    ahead.index = 1
    expect(keys()).toEqual(['bcd', 'ef'])
    other.next()
    other.readAhead(ahead)
    expect(keys()).toEqual(['bcd', 'ef'])
    reader.readAhead(ahead)
    expect([ahead.count, ...keys()]).toEqual([0, 'bcd', 'ef'])
  })

  it('reads ahead up to a record without a time, or with an attribute that nobody knows', () => {
    const contents = [5, 5, 5, 5].map((timestamp) => ({ key: Buffer.from('k'), value: Buffer.from('v'), timestamp, headers: [] }))
    const countIn = (bytes: Uint8Array) => {
      const reader = new RecordBatchView(bytes).reader()
      const ahead = new RecordsAhead()
      reader.next()
      reader.readAhead(ahead)
      return ahead.count
    }
    expect(countIn(batchOf(contents))).toBe(2)
    expect(countIn(batchOf(contents.map((record, index) => (index === 2 ? { ...record, timestamp: -1 } : record))))).toBe(1)
    const marked = batchOf(contents)
    const recordBytes = (marked.length - batchHeaderBytes) / contents.length
    marked[batchHeaderBytes + 2 * recordBytes + 1] = 0x80
    expect(countIn(marked)).toBe(1)
  })

  it('finds records again by their marks when it has gone on', () => {
    const reader: RecordReader = new RecordBatchView(batchOf(['a', 'b', 'c'].map((text) => ({ key: null, value: Buffer.from(text), timestamp: 5, headers: [] })))).reader()
    const marks: number[] = []
    while (reader.next()) marks.push(reader.mark)
    expect(marks.map((mark) => reader.recordAt(mark)).map(({ offset, value }) => [offset, Buffer.from(value!).toString()])).toEqual([[0, 'a'], [1, 'b'], [2, 'c']])
  })

  it('tells what is null from what is empty', () => {
    const reader = new RecordBatchView(batchOf([{ key: null, value: new Uint8Array(0), timestamp: 0, headers: [] }])).reader()
    reader.next()
    expect([reader.hasKey, reader.hasValue, reader.keyAs(stringSerde), reader.valueAs(stringSerde)]).toEqual([false, true, null, ''])
  })
})
