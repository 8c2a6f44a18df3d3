import { describe, expect, it } from 'vitest'
import { RecordBatchBuilder } from '../../../src/core/log/record-batch-builder.ts'
import { defaultLogConfig } from '../../../src/core/log/log-config.ts'
import { RecordBatchView, sealBatch } from '../../../src/core/log/record-batch.ts'
import { recompressed } from '../../../src/core/log/recompress.ts'

function batch(compression: 'none' | 'gzip' | 'lz4' | 'snappy'): RecordBatchView {
  const builder = new RecordBatchBuilder({ maxBytes: 1_000_000, compression })
  for (let index = 0; index < 50; index++) builder.add(Buffer.from(`key ${index % 3}`), Buffer.from('the same value again and again'), 1_000 + index)
  const { bytes } = builder.build()
  sealBatch(bytes, { producerId: 7, producerEpoch: 2, baseSequence: 9, transactional: true })
  return new RecordBatchView(bytes)
}

const recordsOf = (view: RecordBatchView) => [...view].map(({ offset, timestamp, key, value }) => ({ offset, timestamp, key: Buffer.from(key!).toString(), value: Buffer.from(value!).toString() }))

describe.each(['none', 'gzip', 'lz4', 'snappy'] as const)('a batch sent with %s', (sent) => {
  it.each(['none', 'gzip', 'lz4', 'snappy'] as const)('is stored with %s when the topic wants that, with everything else as it was', (wanted) => {
    const original = batch(sent)
    const stored = recompressed(original, { ...defaultLogConfig, compression: wanted })
    stored.ensureValid()
    expect(stored.compression).toBe(batch(wanted).compression)
    expect(recordsOf(stored)).toEqual(recordsOf(original))
    const { producerId, producerEpoch, baseSequence, isTransactional, lastOffset, maxTimestamp } = original
    expect(stored).toMatchObject({ producerId, producerEpoch, baseSequence, isTransactional, lastOffset, maxTimestamp })
  })

  it('is stored as it came otherwise', () => {
    const original = batch(sent)
    expect(recompressed(original, defaultLogConfig)).toBe(original)
    expect(recompressed(original, { ...defaultLogConfig, compression: sent })).toBe(original)
  })
})
