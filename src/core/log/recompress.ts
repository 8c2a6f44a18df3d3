/** What a topic's `compression.type` asks for: a batch that was sent with another codec is written anew with this one. */
import { ensureSize } from './append-validation.ts'
import { compressionCodec, compressionNames } from './compression.ts'
import type { LogConfig } from './log-config.ts'
import { batchAttributes, batchHeaderBytes, RecordBatchView, writeBatchHeader } from './record-batch.ts'

/** The batch itself when it is as the topic wants it. @throws UNSUPPORTED_COMPRESSION_TYPE, and CORRUPT_RECORD when it cannot be inflated, RECORD_TOO_LARGE when it is larger then than the topic takes */
export function recompressed(batch: RecordBatchView, config: LogConfig): RecordBatchView {
  const { compression } = config
  if (compression === 'producer') return batch
  const wanted = compressionNames.indexOf(compression)
  if (wanted === batch.compression) return batch
  const { bytes, at, end } = batch.recordsSection()
  const records = bytes.subarray(at, end)
  const section = wanted === 0 ? records : compressionCodec(wanted).deflate(records)
  const stored = new Uint8Array(batchHeaderBytes + section.length)
  stored.set(section, batchHeaderBytes)
  const { baseOffset, leaderEpoch, attributes, lastOffsetDelta, baseTimestamp, maxTimestamp, producerId, producerEpoch, baseSequence, recordCount } = batch
  writeBatchHeader(stored, {
    baseOffset, leaderEpoch, lastOffsetDelta, baseTimestamp, maxTimestamp, producerId, producerEpoch, baseSequence, recordCount,
    attributes: (attributes & ~batchAttributes.compression) | wanted,
  })
  const written = new RecordBatchView(stored)
  ensureSize(written, config)
  return written
}
