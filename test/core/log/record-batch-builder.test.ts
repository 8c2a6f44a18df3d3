import { describe, expect, it } from 'vitest'
import { isStreamError } from '../../../src/core/errors.ts'
import { RecordBatchBuilder } from '../../../src/core/log/record-batch-builder.ts'
import { RecordBatchView, sealBatch } from '../../../src/core/log/record-batch.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (part: Uint8Array | null) => (part === null ? null : new TextDecoder().decode(part))

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

  it('compresses the records when asked to', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 100_000, compression: 'gzip' })
    for (let i = 0; i < 100; i++) builder.add(bytes(`key-${i}`), bytes('the same value every time'), i)
    const batch = builder.build()
    expect(batch.bytes.length).toBeLessThan(1000)
    expect([...new RecordBatchView(batch.bytes)].map((record) => text(record.key))[99]).toBe('key-99')
  })

  it('refuses timestamps that are none', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 1000 })
    for (const timestamp of [-2, 1.5, Number.NaN, 2 ** 60]) {
      builder.add(null, null, 0)
      expect(() => builder.add(null, null, timestamp)).toThrow(expect.toSatisfy((error) => isStreamError(error, 'INVALID_TIMESTAMP')))
    }
  })
})
