/** What a topology writes of batches as they stand in a log, against what it writes of the same records one by one. */
import fc from 'fast-check'
import { expect } from 'vitest'
import { RecordBatchBuilder } from '../../../src/core/index.ts'
import type { Header, RecordBatch } from '../../../src/core/index.ts'
import { RecordBatchView } from '../../../src/core/log/record-batch.ts'
import type { Topology } from '../../../src/streams/index.ts'
import { BatchingCollector } from '../../../src/streams/runtime/record-collector.ts'
import { StreamTask } from '../../../src/streams/runtime/stream-task.ts'
import type { TaskConfig } from '../../../src/streams/runtime/task-config.ts'
import { SimulatedClock } from '../../../src/streams/testing/simulated-clock.ts'
import { singleRecordBatch } from '../../../src/streams/testing/single-record-batch.ts'
import { OverwrittenMemory } from '../../kit/overwritten-blocks.ts'

/** Everything that is written, with a commit, or a rollback before it, after each part of the input; a function reads it each time. */
export function outputOf(topology: Topology, config: TaskConfig, parts: readonly (readonly RecordBatch[] | (() => readonly RecordBatch[]))[], rollsBack: boolean) {
  const written: unknown[] = []
  const collector = new BatchingCollector({
    maxBatchBytes: 500,
    partitionCount: () => 1,
    sendBatch: ({ topic: name }, { bytes }) => {
      for (const { key, value, timestamp, headers } of new RecordBatchView(bytes)) written.push([name, key && Buffer.from(key), value && Buffer.from(value), timestamp, headers.filter((header) => !header.key.includes('stacktrace'))])
    },
  })
  const task = new StreamTask({
    taskId: '0_0', partition: 0, applicationId: 'app', nodes: topology.nodes, stores: topology.stores, repartitionTopics: [], clock: new SimulatedClock(0), config, collector,
  })
  let failure: string | null = null
  const read = (part: (typeof parts)[number]) => {
    for (const batch of typeof part === 'function' ? part() : part) task.addRecords({ topic: 'in', partition: 0 }, [batch], batch.lastOffset + 1)
    while (task.process(0));
  }
  try {
    for (const batches of parts) {
      read(batches)
      if (rollsBack) {
        collector.discard()
        task.rollback()
        read(batches)
      }
      task.prepareCommit()
      collector.flush()
      task.committed()
    }
  } catch (error) {
    failure = (error as Error).message
  }
  return { written, failure, dropped: task.droppedRecords }
}

export interface Input {
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
  readonly headers: readonly Header[]
}

const values = fc.oneof(
  { weight: 4, arbitrary: fc.record({ page: fc.string({ maxLength: 12 }), ms: fc.nat(40_000) }).map((value) => JSON.stringify(value)) },
  fc.constantFrom('12', '-3', '"text"', '{}', 'null', '{"page":"x"', '', 'ÿ', '{"page":"\\u00e9","ms":1}', '{"ms":2,"page":"y"}'), fc.constant(null),
)
export const inputs: fc.Arbitrary<Input[]> = fc.array(fc.record({
  key: fc.oneof({ weight: 6, arbitrary: fc.constantFrom('a', 'b', 'key-of-more-bytes', 'é', 'ÿ', 'c') }, fc.constant(null), fc.constant('')),
  value: values, timestamp: fc.nat(40_000), headers: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.constant([{ key: 'h', value: Buffer.from('1') }])),
}), { maxLength: 40 })

/** What begins with ÿ is no UTF-8. */
function bytesOf(text: string | null): Buffer | null {
  return text === null ? null : Buffer.from(text, text.startsWith('ÿ') ? 'latin1' : 'utf8')
}

/** As batches of a log. */
export function batchOf(read: readonly Input[], firstOffset: number): readonly RecordBatch[] {
  return read.length === 0 ? [] : [new RecordBatchView(bytesOfBatch(read, firstOffset))]
}

/** As those of a log that were read into memory which is overwritten when it is given back. */
export function overwrittenOf(read: readonly Input[], firstOffset: number, { perBatch, perBlock }: { readonly perBatch: number; readonly perBlock: number }, memory: OverwrittenMemory): readonly RecordBatch[] {
  const batches: Uint8Array[] = []
  for (let from = 0; from < read.length; from += perBatch) batches.push(bytesOfBatch(read.slice(from, from + perBatch), firstOffset + from))
  return memory.batches(batches, perBlock)
}

function bytesOfBatch(read: readonly Input[], firstOffset: number): Uint8Array {
  const builder = new RecordBatchBuilder({ maxBytes: 100_000 })
  for (const { key, value, timestamp, headers } of read) builder.add(bytesOf(key), bytesOf(value), timestamp, headers)
  const { bytes } = builder.build()
  new DataView(bytes.buffer, bytes.byteOffset).setBigInt64(0, BigInt(firstOffset))
  return bytes
}

/** As what can only be looked at record by record. */
export function viewsOf(read: readonly Input[], firstOffset: number): readonly RecordBatch[] {
  return read.map(({ key, value, ...rest }, index) => singleRecordBatch({ ...rest, offset: firstOffset + index, key: bytesOf(key), value: bytesOf(value) }))
}

/** Of a topology that reads the topic `in`, whatever is in it, and however much fits into its caches. Answers how many blocks were overwritten meanwhile. */
export function expectSameOfBatchesAndRecords(topology: Topology): number {
  const options = fc.record({
    parts: fc.array(inputs, { maxLength: 3 }),
    config: fc.record({
      cacheMaxBytes: fc.constantFrom(0, 300, 100_000),
      onDeserializationError: fc.constantFrom('skip' as const, 'fail' as const, 'dead-letter' as const), onProcessingError: fc.constantFrom('skip' as const, 'fail' as const, 'dead-letter' as const), deadLetterTopic: fc.constant('dlq'),
    }),
    rollsBack: fc.boolean(),
    sizes: fc.record({ perBatch: fc.integer({ min: 1, max: 4 }), perBlock: fc.integer({ min: 1, max: 3 }) }),
  })
  // One in which nothing is wrong: of the others every record may be made.
  const sound = Array.from({ length: 8 }, (_, index): Input => ({ key: 'ab'[index % 2]!, value: JSON.stringify({ page: 'p', ms: 1_000 * index }), timestamp: 1_000 * index, headers: [] }))
  const policies = { onDeserializationError: 'fail', onProcessingError: 'fail', deadLetterTopic: 'dlq' } as const
  const example = { parts: [sound], config: { cacheMaxBytes: 100_000 as const, ...policies }, rollsBack: false, sizes: { perBatch: 1, perBlock: 1 } }
  const memory = new OverwrittenMemory()
  fc.assert(fc.property(options, ({ parts, config, rollsBack, sizes }) => {
    const starts = parts.map((_, index) => parts.slice(0, index).reduce((sum, part) => sum + part.length, 0))
    const found = outputOf(topology, config, parts.map((part, index) => batchOf(part, starts[index]!)), rollsBack)
    expect(found).toEqual(outputOf(topology, config, parts.map((part, index) => viewsOf(part, starts[index]!)), rollsBack))
    expect(found).toEqual(outputOf(topology, config, parts.map((part, index) => () => overwrittenOf(part, starts[index]!, sizes, memory)), rollsBack))
  }), { numRuns: 60, examples: [[example]] })
  return memory.overwritten
}
