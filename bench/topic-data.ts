/** Values, and the batches that hold them. */
import { RecordBatchBuilder, stringSerde } from '../src/core/index.ts'
import type { UnsealedBatch } from '../src/core/index.ts'

/** What a bench holds is walked by the garbage collector as what the program holds: so it keeps encoded batches, and no text. */
export interface TopicData {
  readonly batches: readonly UnsealedBatch[]
}

/** Texts may be made one after the other: a long topic of them does not fit into memory. */
export function topicData(texts: Iterable<string>, keyOf: (index: number) => string | null, timestampOf: (index: number) => number): TopicData {
  const builder = new RecordBatchBuilder({ maxBytes: 64 * 1024 })
  const batches: UnsealedBatch[] = []
  let index = 0
  for (const text of texts) {
    const key = keyOf(index)
    const record = [key === null ? null : stringSerde.serialize(key), stringSerde.serialize(text), timestampOf(index++)] as const
    if (builder.add(...record)) continue
    batches.push(builder.build())
    builder.add(...record)
  }
  return { batches: [...batches, builder.build()] }
}
