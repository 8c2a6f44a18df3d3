import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isStreamError } from '../../../src/core/errors.ts'
import { RecordBatchBuilder } from '../../../src/core/log/record-batch-builder.ts'
import { RecordBatchView, sealBatch } from '../../../src/core/log/record-batch.ts'
import { readKeySerde } from '../../../src/core/record-position.ts'
import { bytesSerde, jsonSerde, stringSerde } from '../../../src/core/serde.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (part: Uint8Array | null) => (part === null ? null : new TextDecoder().decode(part))

/** From the format's definition, with the sizes that varints take by theirs. */
function expectedSize(timestamps: readonly number[], keySize: number, valueSize: number): number {
  const varint = (value: number) => {
    let zigzag = value >= 0 ? BigInt(value) * 2n : BigInt(-value) * 2n - 1n
    let size = 1
    while ((zigzag >>= 7n) > 0n) size++
    return size
  }
  return timestamps.reduce((sum, timestamp, i) => {
    const length = 1 + varint(timestamp - timestamps[0]!) + varint(i) + varint(keySize) + Math.max(0, keySize) + varint(valueSize) + valueSize + 1
    return sum + varint(length) + length
  }, 0)
}

describe('RecordBatchBuilder', () => {
  it('encodes records that read back as they were, nulls and empties told apart', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 10_000 })
    builder.add(bytes('k'), bytes('välue'), 1000, [{ key: 'trace', value: bytes('1') }, { key: '', value: null }])
    builder.add(null, null, 990)
    builder.add(bytes(''), bytes(''), 5000)
    const batch = builder.build()
    sealBatch(batch.bytes, { producerId: 7, producerEpoch: 1, baseSequence: 2147483646, transactional: true })
    const view = new RecordBatchView(batch.bytes)
    view.ensureValid()
    expect([...view].map((r) => [r.offset, r.timestamp, text(r.key), text(r.value)])).toEqual([[0, 1000, 'k', 'välue'], [1, 990, null, null], [2, 5000, '', '']])
    expect([...view][0]!.headers.map((header) => [header.key, text(header.value)])).toEqual([['trace', '1'], ['', null]])
    expect([view.maxTimestamp, view.producerId, view.lastSequence, view.isTransactional, view.recordCount]).toEqual([5000, 7, 0, true, 3])
  })

  it('refuses a record beyond maxBytes, but takes any first one', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 200 })
    expect(builder.add(null, new Uint8Array(1000), 0)).toBe(true)
    expect(builder.add(null, new Uint8Array(0), 0)).toBe(false)
    expect(builder.build().recordCount).toBe(1)
    expect([builder.recordCount, builder.sizeBytes]).toEqual([0, 0])
    expect(builder.add(null, new Uint8Array(100), 0)).toBe(true)
    expect(builder.add(null, new Uint8Array(100), 0)).toBe(false)
  })

  it('gives each batch bytes of its own', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 1000 })
    builder.add(null, bytes('first'), 0)
    const first = builder.build()
    builder.add(null, bytes('other'), 0)
    builder.build()
    expect(text([...new RecordBatchView(first.bytes)][0]!.value)).toBe('first')
  })

  it('writes into bytes that are given back, and leaves alone those that are not', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 10_000 })
    const build = (value: string) => (builder.add(null, bytes(value), 0), builder.build().bytes)
    const first = build('a'.repeat(4000))
    const kept = build('b'.repeat(4000))
    builder.reuse(first)
    const third = build('c'.repeat(4000))
    expect(third.buffer).toBe(first.buffer)
    expect([kept, third].map((batch) => text([...new RecordBatchView(batch)][0]!.value)![0])).toEqual(['b', 'c'])
    builder.add(null, bytes('being filled'), 0)
    builder.reuse(third)
    expect(text([...new RecordBatchView(builder.build().bytes)][0]!.value)).toBe('being filled')
  })

  it('takes little more memory than batches need, and hands it over: a large one is copied once', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 256 * 1024 })
    const build = () => {
      for (let i = 0; i < 80; i++) builder.add(null, new Uint8Array(1000), 0)
      return builder.build().bytes
    }
    build()
    const second = build()
    expect(second.buffer.byteLength).toBeLessThan(second.length * 1.2)
    builder.reuse(second)
    const third = build()
    expect(third.buffer).toBe(second.buffer)
    builder.reuse(third)
    expect(builder.add(null, new Uint8Array(200_000), 0)).toBe(true)
    expect([...new RecordBatchView(builder.build().bytes)][0]!.value!.length).toBe(200_000)
  })

  it('encodes lengths, deltas and counts of every size in the fewest bytes', () => {
    const sizes = [0, 1, 26, 27, 28, 29, 36, 57, 58, 59, 60, 61, 63, 64, 65, 8150, 8160, 8164, 8165, 8180, 8185, 8191, 8192, 8193, 70_000]
    const timestamps = [1000, 1063, 1064, 999, 936, 935, 9191, 9192, 0, -1, 2 ** 33, 2 ** 52]
    for (const valueSize of sizes) {
      for (const keySize of [-1, 0, 5, 63, 64, 8192]) {
        const builder = new RecordBatchBuilder({ maxBytes: 1_000_000 })
        const key = keySize < 0 ? null : new Uint8Array(keySize).fill(1)
        for (const timestamp of timestamps) builder.add(key, new Uint8Array(valueSize).fill(2), timestamp)
        const batch = builder.build().bytes
        const view = new RecordBatchView(batch)
        expect([...view].map((record) => [record.timestamp, record.key?.length ?? -1, record.value!.length])).toEqual(timestamps.map((timestamp) => [timestamp, keySize, valueSize]))
        expect(batch.length).toBe(61 + expectedSize(timestamps, keySize, valueSize))
      }
    }
  })

  it('goes on with more records than a delta of two bytes can tell', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 1_000_000 })
    for (let i = 0; i < 9000; i++) builder.add(null, bytes(String(i)), i)
    expect([...new RecordBatchView(builder.build().bytes)].every((record, i) => record.offset === i && text(record.value) === String(i))).toBe(true)
  })

  it('writes short records of serdes as if their bytes were added, also behind more than a delta of two bytes can tell, and where the value is the key', () => {
    const [direct, added] = [new RecordBatchBuilder({ maxBytes: 1_000_000 }), new RecordBatchBuilder({ maxBytes: 1_000_000 })]
    const words = ['', 'a', 'word', 'x'.repeat(28), 'y'.repeat(29), 'z'.repeat(64), 'é', 'é'.repeat(40), '"', '\\', '\n', 'q'.repeat(200)]
    direct.add(null, bytes('first'), 0)
    added.add(null, bytes('first'), 0)
    for (let index = 0; index < 17_000; index++) {
      const word = words[index % words.length]!
      const value = index % 5 < 3 ? word : words[index % 7]!
      const serde = index % 2 === 0 ? stringSerde : jsonSerde<string>()
      if (!direct.addSerialized(stringSerde, word, serde, value, index)) direct.add(stringSerde.serialize(word), serde.serialize(value), index)
      added.add(stringSerde.serialize(word), serde.serialize(value), index)
    }
    const [found, expected] = [direct.build(), added.build()]
    expect(Buffer.compare(found.bytes, expected.bytes)).toBe(0)
    const view = new RecordBatchView(found.bytes)
    const reader = view.reader()
    for (const record of view) {
      expect(reader.next()).toBe(true)
      if (reader.offset !== record.offset || text(reader.keyAs(bytesSerde)) !== text(record.key) || text(reader.valueAs(bytesSerde)) !== text(record.value)) expect(record).toBe(reader.offset)
    }
  })

  it('writes words that are key and value as if their bytes were added, at any time, among others, and up to the end of the batch', () => {
    const word = fc.oneof(
      { weight: 6, arbitrary: fc.string({ maxLength: 18, size: 'max' }) },
      fc.string({ unit: 'grapheme', maxLength: 18, size: 'max' }),
      fc.string({ unit: fc.constantFrom('a', '\u007f', '\u0080', '\ud800', 'ö'), maxLength: 18, size: 'max' }),
    )
    const time = fc.oneof(fc.nat({ max: 200 }), fc.nat({ max: 9_000 }), fc.integer({ min: -1, max: 1_100_000 }), fc.constantFrom(1_048_575, 1_048_576, 2 ** 40, Number.MAX_SAFE_INTEGER))
    fc.assert(fc.property(fc.array(fc.tuple(word, time, fc.nat({ max: 9 })), { minLength: 1, maxLength: 60, size: 'max' }), fc.integer({ min: 80, max: 400 }), fc.boolean(), (records, maxBytes, isFilled) => {
      const builders = [new RecordBatchBuilder({ maxBytes: isFilled ? 1 << 20 : maxBytes }), new RecordBatchBuilder({ maxBytes: isFilled ? 1 << 20 : maxBytes })] as const
      const [direct, added] = builders
      const compare = () => expect(Buffer.compare(direct.build().bytes, added.build().bytes)).toBe(0)
      // Numbers of records that take one byte, two, or three.
      if (isFilled) for (const builder of builders) for (let index = 0; index < [0, 60, 8_180][records.length % 3]!; index++) builder.add(null, null, 5)
      for (const [text, timestamp, kind] of records) {
        const key = stringSerde.serialize(text)
        const value = kind === 0 ? bytes('another') : key
        const isDirect = kind > 1 && direct.addSerialized(stringSerde, text, stringSerde, text, timestamp)
        if (isDirect) expect(added.add(key, value, timestamp)).toBe(true)
        else if (builders.map((builder) => builder.add(key, value, timestamp)).includes(false)) {
          compare()
          for (const builder of builders) builder.add(key, value, timestamp)
        }
      }
      compare()
    }), { numRuns: 500 })
  })

  it('compresses the records when asked to', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 100_000, compression: 'gzip' })
    for (let i = 0; i < 100; i++) builder.add(bytes(`key-${i}`), bytes('the same value every time'), i)
    const batch = builder.build()
    expect(batch.bytes.length).toBeLessThan(1000)
    expect([...new RecordBatchView(batch.bytes)].map((record) => text(record.key))[99]).toBe('key-99')
  })

  it('writes what was read from another batch just as if its parts were added', () => {
    const [copies, parts] = [new RecordBatchBuilder({ maxBytes: 2_000 }), new RecordBatchBuilder({ maxBytes: 2_000 })]
    const source = new RecordBatchBuilder({ maxBytes: 100_000 })
    source.add(bytes('key'), bytes('value'), 5, [{ key: 'trace', value: bytes('1') }])
    source.add(null, bytes('x'.repeat(700)), 6)
    source.add(bytes('k'.repeat(90)), null, 7)
    for (let index = 0; index < 200; index++) source.add(bytes(`key-${index}`), bytes('é'.repeat(index)), 8 + index)
    const built: (readonly [Uint8Array, Uint8Array])[] = []
    const reader = new RecordBatchView(source.build().bytes).reader()
    while (reader.next()) {
      const record = reader.recordAt(reader.mark)
      const position = reader.positionOf(reader.mark)
      const timestamp = record.timestamp * 37
      const [fits, expected] = [copies.addRead(position, timestamp), parts.add(record.key, record.value, timestamp, record.headers)]
      expect(fits).toBe(expected)
      if (fits) continue
      built.push([copies.build().bytes, parts.build().bytes])
      copies.addRead(position, timestamp)
      parts.add(record.key, record.value, timestamp, record.headers)
    }
    expect(built.length).toBeGreaterThan(10)
    for (const [copied, added] of built) expect(Buffer.compare(copied, added)).toBe(0)
    expect(() => copies.addRead(reader.positionOf(reader.mark), -2)).toThrow()
  })

  it('writes what serdes give straight into the batch just as if their bytes were added', () => {
    const [direct, parts] = [new RecordBatchBuilder({ maxBytes: 20_000 }), new RecordBatchBuilder({ maxBytes: 20_000 })]
    const texts = [null, '', 'k', 'é', 'ö'.repeat(40), '\ud800', 'x'.repeat(25), 'x'.repeat(50), 'x'.repeat(54), 'x'.repeat(62), 'x'.repeat(63), 'x'.repeat(64), '\u20ac'.repeat(63), 'x'.repeat(500), 'x'.repeat(8_190), 'x'.repeat(8_193)]
    let directly = 0
    const compare = () => expect(Buffer.compare(direct.build().bytes, parts.build().bytes)).toBe(0)
    const addParts = (key: string | null, value: string | null, time: number) => [direct, parts].map((builder) => builder.add(key === null ? null : stringSerde.serialize(key), value === null ? null : stringSerde.serialize(value), time))
    for (const [index, key] of texts.entries()) {
      for (const value of texts) {
        const timestamp = 5_000 + 700 * index
        if (direct.addSerialized(stringSerde, key, stringSerde, value, timestamp)) {
          directly++
          if (parts.add(key === null ? null : stringSerde.serialize(key), value === null ? null : stringSerde.serialize(value), timestamp)) continue
          throw new Error('what fits in one batch does not fit in the other')
        }
        if (addParts(key, value, timestamp)[0]) continue
        compare()
        addParts(key, value, timestamp)
      }
    }
    compare()
    expect(directly).toBeGreaterThan(100)
  })

  it('writes what stands in other bytes just as if it were added', () => {
    const [spans, parts] = [new RecordBatchBuilder({ maxBytes: 20_000 }), new RecordBatchBuilder({ maxBytes: 20_000 })]
    const lengths = [-1, 0, 1, 3, 4, 25, 50, 54, 62, 63, 64, 65, 160, 161, 500, 8_190, 8_193]
    const bytes = Uint8Array.from({ length: 20_000 }, (_, index) => index % 251)
    const view = new DataView(bytes.buffer)
    for (const [index, keyLength] of lengths.slice(1).entries()) {
      for (const valueLength of lengths) {
        const timestamp = 5_000 + 7_000 * (index % 5)
        const span = { bytes, view, keyAt: 7, keyLength, valueAt: 9_000 + index, valueLength }
        const add = () => [spans.addSpan(span, timestamp), parts.add(bytes.slice(7, 7 + keyLength), valueLength < 0 ? null : bytes.slice(9_000 + index, 9_000 + index + valueLength), timestamp)]
        const [fits, expected] = add()
        expect(fits).toBe(expected)
        if (fits) continue
        expect(Buffer.compare(spans.build().bytes, parts.build().bytes)).toBe(0)
        add()
      }
    }
    expect(Buffer.compare(spans.build().bytes, parts.build().bytes)).toBe(0)
    expect(() => spans.addSpan({ bytes, view, keyAt: 0, keyLength: 1, valueAt: 1, valueLength: 1 }, -2)).toThrow()
  })

  it('writes texts together just as if their bytes were added, whatever they are, and whatever comes between them', () => {
    const letters = { ascii: 'a', latin: '\u00e9', wide: '\u20ac', pair: '\ud83d\ude00', half: '\udc00' }
    const text = fc.tuple(fc.nat(130), fc.constantFrom(...Object.values(letters)), fc.nat(130)).map(([length, letter, at]) => `${'x'.repeat(length).slice(0, at)}${letter}${'x'.repeat(length).slice(at)}`)
    const value = fc.oneof({ weight: 12, arbitrary: fc.nat(130).map((length) => 'abcdefghij'.repeat(13).slice(0, length)) }, { weight: 1, arbitrary: text }, { weight: 1, arbitrary: fc.constantFrom(null, '\u20ac'.repeat(120), 'x'.repeat(5_000)) })
    const keys = ['', 'k', 'key', ...[15, 16, 17, 70, 200, 8_100, 8_200].map((length) => 'q'.repeat(length)), '\u00e9', 'last']
    const step = fc.record({ does: fc.constantFrom(...Array.from({ length: 5 }, () => 'text' as const), ...keys.map((_, index) => index), 'bytes', 'headers', 'read', 'build'), key: fc.constantFrom('key', null, 'k'.repeat(70)), value, time: fc.nat(20_000) })
    const source = new RecordBatchBuilder({ maxBytes: 100_000 })
    source.add(bytes('read'), bytes('r'.repeat(90)), 1, [{ key: 'h', value: null }])
    for (const key of keys) source.add(bytes(key), null, 1)
    const reader = new RecordBatchView(source.build().bytes).reader()
    const marks: number[] = []
    while (reader.next()) marks.push(reader.mark)
    fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 200, size: 'max' }), fc.integer({ min: 300, max: 30_000 }), fc.constantFrom(0, 60, 8_180), fc.boolean(), (steps, limit, recordsBefore, isPlain) => {
      const maxBytes = limit + 20 * recordsBefore
      const [together, parts] = [new RecordBatchBuilder({ maxBytes }), new RecordBatchBuilder({ maxBytes })]
      for (let index = 0; index < recordsBefore; index++) for (const builder of [together, parts]) builder.add(null, null, 0)
      const compare = () => {
        if (parts.recordCount === 0) return
        const [found, expected] = [together.build(), parts.build()]
        expect(Buffer.compare(found.bytes, expected.bytes)).toBe(0)
        expect([found.recordCount, found.isKeyed]).toEqual([expected.recordCount, expected.isKeyed])
      }
      for (const { does, key, value: anyValue, time } of steps) {
        if (does === 'build') compare()
        // After a text that is not ASCII none waits for long.
        const each = isPlain && anyValue !== null ? anyValue.replaceAll(/[^a-x]/gu, 'y') : anyValue
        const [keyBytes, valueBytes] = [typeof does === 'number' ? keys[does]! : key, each].map((part) => (part === null ? null : stringSerde.serialize(part))) as [Uint8Array | null, Uint8Array | null]
        const headers = does === 'headers' ? [{ key: 'h', value: bytes('1') }] : []
        const add = (builder: RecordBatchBuilder, isText: boolean) => {
          if (does === 'read') return builder.addRead(reader.positionOf(marks[0]!), time)
          if (isText && typeof does === 'number' && builder.addSerialized(readKeySerde, reader.positionOf(marks[1 + does]!), stringSerde, each, time)) return true
          return (isText && does === 'text' && builder.addSerialized(stringSerde, key, stringSerde, each, time)) || builder.add(keyBytes, valueBytes, time, headers)
        }
        const addToBoth = () => [add(together, true), add(parts, false)]
        const [fits, expected] = addToBoth()
        expect(fits).toBe(expected)
        if (fits === true) continue
        compare()
        expect(addToBoth()).toEqual([true, true])
      }
      compare()
    }), { numRuns: 500 })
  })

  it('keeps the room that a text may take, whoever comes next', () => {
    for (let size = 180; size < 330; size++) {
      const source = new RecordBatchBuilder({ maxBytes: 1_000 })
      source.add(null, new Uint8Array(size), 0)
      const { bytes: read } = source.build()
      const reader = new RecordBatchView(read).reader()
      reader.next()
      const view = new DataView(read.buffer)
      for (const add of [
        (builder: RecordBatchBuilder) => builder.addRead(reader.positionOf(reader.mark), 0),
        (builder: RecordBatchBuilder) => builder.addSpan({ bytes: read, view, keyAt: 0, keyLength: 0, valueAt: 0, valueLength: size }, 0),
        (builder: RecordBatchBuilder) => builder.add(null, new Uint8Array(size), 0),
      ]) {
        const value = '\u20ac'.repeat(40)
        const [together, parts] = [new RecordBatchBuilder({ maxBytes: 500 }), new RecordBatchBuilder({ maxBytes: 500 })]
        for (let index = 0; index < 8; index++) for (const builder of [together, parts]) builder.add(null, null, 0)
        expect(together.addSerialized(stringSerde, 'k', stringSerde, value, 0)).toBe(true)
        parts.add(bytes('k'), bytes(value), 0)
        expect(add(together)).toBe(add(parts))
        expect(Buffer.compare(together.build().bytes, parts.build().bytes)).toBe(0)
      }
    }
  })

  it('keeps the room that all texts may take, which wait together', () => {
    const value = '\u20ac'.repeat(40)
    for (let size = 300; size < 900; size++) {
      for (const key of ['k', null]) {
        const [together, parts] = [new RecordBatchBuilder({ maxBytes: 1_000 }), new RecordBatchBuilder({ maxBytes: 1_000 })]
        const keyBytes = key === null ? null : bytes(key)
        for (let index = 0; index < 8; index++) for (const builder of [together, parts]) builder.add(null, index === 0 ? new Uint8Array(size) : null, 0)
        for (let index = 0; index < 4; index++) {
          const fits = together.addSerialized(stringSerde, key, stringSerde, value, 0) || together.add(keyBytes, bytes(value), 0)
          expect(fits).toBe(parts.add(keyBytes, bytes(value), 0))
        }
        expect(Buffer.compare(together.build().bytes, parts.build().bytes)).toBe(0)
      }
    }
  })

  it('leaves no value behind that waited, where what was added is thrown away with its builder or fails half-way', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 10_000 })
    for (let index = 0; index < 8; index++) builder.add(null, bytes('first'), 0)
    const fails = { serialize: bytes, deserialize: String, serializeInto: () => { throw new Error('no such key') } }
    expect(builder.addSerialized(stringSerde, 'k', stringSerde, 'x'.repeat(40), 1)).toBe(true)
    expect(() => builder.addSerialized(fails, 'k', stringSerde, 'y'.repeat(40), 2)).toThrow('no such key')
    expect(builder.addSerialized(stringSerde, 'k', stringSerde, '\u00e9'.repeat(40), 3)).toBe(true)
    expect([...new RecordBatchView(builder.build().bytes)].map((record) => text(record.value))).toEqual([...Array.from({ length: 8 }, () => 'first'), 'x'.repeat(40), '\u00e9'.repeat(40)])
    builder.add(null, bytes('next'), 0)
    expect([...new RecordBatchView(builder.build().bytes)].map((record) => text(record.value))).toEqual(['next'])
  })

  it('writes texts behind keys as they were read up to the very end of a batch', () => {
    const source = new RecordBatchBuilder({ maxBytes: 10_000 })
    for (let length = 0; length < 20; length++) source.add(bytes('k'.repeat(length)), bytes('and what follows it'), 0)
    const reader = new RecordBatchView(source.build().bytes).reader()
    while (reader.next()) {
      const position = reader.positionOf(reader.mark)
      const key = readKeySerde.serialize(position)
      for (let maxBytes = 170; maxBytes < 230; maxBytes++) {
        for (const value of ['', 'a', 'x'.repeat(28), 'x'.repeat(32)]) {
          const [direct, parts] = [new RecordBatchBuilder({ maxBytes }), new RecordBatchBuilder({ maxBytes })]
          for (let index = 0; index < 8; index++) for (const builder of [direct, parts]) builder.add(null, null, 0)
          for (let fits = true; fits;) {
            fits = parts.add(key, bytes(value), 0)
            expect(direct.addSerialized(readKeySerde, position, stringSerde, value, 0) || direct.add(key, bytes(value), 0)).toBe(fits)
          }
          expect(Buffer.compare(direct.build().bytes, parts.build().bytes)).toBe(0)
        }
      }
    }
  })

  it('lets no text wait whose time is none', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 10_000 })
    const first = Number.MAX_SAFE_INTEGER - 1
    for (let index = 0; index < 10; index++) expect(builder.addSerialized(stringSerde, null, stringSerde, 'x'.repeat(40), first)).toBe(true)
    for (const time of [first + 3, 0.5, Number.NaN, -2]) expect(builder.addSerialized(stringSerde, null, stringSerde, 'y'.repeat(40), time)).toBe(false)
    expect([...new RecordBatchView(builder.build().bytes)].map((record) => text(record.value))).toEqual(Array.from({ length: 10 }, () => 'x'.repeat(40)))
    for (let index = 0; index < 10; index++) expect(builder.addSerialized(stringSerde, null, stringSerde, 'x'.repeat(40), 0)).toBe(true)
    expect(builder.addSerialized(stringSerde, null, stringSerde, 'y'.repeat(40), 0.5)).toBe(false)
    expect(builder.build().recordCount).toBe(10)
  })

  it('adds no word that is key and value whose time is none', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 10_000 })
    const add = (time: number) => builder.addSerialized(stringSerde, 'word', stringSerde, 'word', time)
    for (const [first, none] of [[Number.MAX_SAFE_INTEGER - 1, [2 ** 53, 0.5, Number.NaN, -2]], [0, [0.5, 1.5, Number.NaN, -1.5, 2 ** 60]]] as const) {
      for (let index = 0; index < 10; index++) expect(add(first)).toBe(true)
      for (const time of none) expect(add(time)).toBe(false)
      expect([...new RecordBatchView(builder.build().bytes)].map(({ timestamp }) => timestamp)).toEqual(Array.from({ length: 10 }, () => first))
    }
  })

  it('numbers words that are key and value on when there are more than a million', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 1 << 24 })
    for (let index = 0; index < (1 << 20) - 2; index++) builder.add(null, null, 0)
    for (let index = 0; index < 4; index++) if (!builder.addSerialized(stringSerde, 'word', stringSerde, 'word', 0)) builder.add(bytes('word'), bytes('word'), 0)
    const reader = new RecordBatchView(builder.build().bytes).reader()
    const offsets: number[] = []
    while (reader.next()) if (reader.keyAs(stringSerde) === 'word') offsets.push(reader.offset)
    expect(offsets).toEqual([-2, -1, 0, 1].map((index) => (1 << 20) + index))
  })

  it('writes nothing where there is no room, serdes fail, or cannot write in place', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 400 })
    builder.add(bytes('k'), bytes('first'), 5)
    const inPlace = jsonSerde()
    expect(builder.addSerialized(stringSerde, 'key', inPlace, 'x'.repeat(300), 9)).toBe(false)
    expect(() => builder.addSerialized(stringSerde, 'key', inPlace, () => {}, 9)).toThrow('no JSON form')
    expect(builder.addSerialized({ serialize: bytes, deserialize: String }, 'key', inPlace, 1, 9)).toBe(false)
    expect(builder.addSerialized(stringSerde, 'key', inPlace, 1, 0.5)).toBe(false)
    expect(builder.addSerialized(stringSerde, 'key', inPlace, 'x'.repeat(20), 9)).toBe(true)
    expect([...new RecordBatchView(builder.build().bytes)].map((record) => [record.timestamp, text(record.key), record.value!.length])).toEqual([[5, 'k', 5], [9, 'key', 22]])
  })

  it('refuses timestamps that are none', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 1000 })
    for (const timestamp of [-2, 1.5, Number.NaN, 2 ** 60]) {
      builder.add(null, null, 0)
      expect(() => builder.add(null, null, timestamp)).toThrow(expect.toSatisfy((error) => isStreamError(error, 'INVALID_TIMESTAMP')))
    }
  })
})
