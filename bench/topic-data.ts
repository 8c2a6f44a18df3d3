/** Values, and the batches that hold them. */
import { RecordBatchBuilder, stringSerde } from '../src/core/index.ts'
import type { UnsealedBatch } from '../src/core/index.ts'

/** In the order in which the batches hold them. */
export interface TopicData {
  readonly texts: readonly string[]
  readonly batches: readonly UnsealedBatch[]
}

export function topicData(texts: readonly string[], keyOf: (index: number) => string | null, timestampOf: (index: number) => number): TopicData {
  return { texts, batches: textBatches(texts, keyOf, timestampOf) }
}

export function textBatches(texts: readonly string[], keyOf: (index: number) => string | null, timestampOf: (index: number) => number): readonly UnsealedBatch[] {
  const builder = new RecordBatchBuilder({ maxBytes: 64 * 1024 })
  const batches: UnsealedBatch[] = []
  for (const [index, text] of texts.entries()) {
    const key = keyOf(index)
    const record = [key === null ? null : stringSerde.serialize(key), stringSerde.serialize(text), timestampOf(index)] as const
    if (builder.add(...record)) continue
    batches.push(builder.build())
    builder.add(...record)
  }
  return [...batches, builder.build()]
}
