import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { RecordBatchBuilder, stringSerde, longSerde } from '../../../src/core/index.ts'
import type { Header } from '../../../src/core/index.ts'
import { RecordBatchView } from '../../../src/core/log/record-batch.ts'
import { BatchingCollector } from '../../../src/streams/runtime/record-collector.ts'
import { StreamTask } from '../../../src/streams/runtime/stream-task.ts'
import { CountAhead } from '../../../src/streams/state/count-ahead.ts'
import type { ProcessorContext } from '../../../src/streams/processor.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { SimulatedClock } from '../../../src/streams/testing/simulated-clock.ts'
import { topic } from '../../../src/streams/topic.ts'

interface Input {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly timestamp: number
  readonly headers: readonly Header[]
}

type Step =
  /** A sealed commit ends when the inputs were added, and some of them processed. */
  | { readonly does: 'add' | 'seal'; readonly inputs: readonly Input[] }
  | { readonly does: 'process'; readonly limit: number }
  | { readonly does: 'commit' | 'rollback' | 'flush' }

/** What comes out says what stream time is, too, and where the last record stood. */
function topology() {
  const builder = new StreamsBuilder()
  builder.stream(topic('in', { key: stringSerde, value: stringSerde })).groupByKey().count({ store: 'counts' }).toStream().process<string, number>(() => {
    let context: ProcessorContext<string, number>
    return {
      init: (given) => { context = given },
      process: (record) => {
        context.forward(record)
        context.forward(record.withValue(context.streamTime))
        context.forward(record.withValue(record.offset))
      },
    }
  }).to(topic('out', { key: stringSerde, value: longSerde }))
  return builder.build()
}

/** `seen`: all that it writes. */
function taskOf(cacheMaxBytes: number) {
  const seen: unknown[] = []
  const collector = new BatchingCollector({
    maxBatchBytes: 1_000,
    partitionCount: () => 1,
    sendBatch: ({ topic: name }, { bytes }) => {
      for (const { key, value, timestamp, headers } of new RecordBatchView(bytes)) seen.push([name, key && Buffer.from(key).toString('hex'), value && Buffer.from(value).toString('hex'), timestamp, headers.length])
    },
  })
  const { nodes, stores } = topology()
  const task = new StreamTask({
    taskId: '0_0', partition: 0, applicationId: 'app', nodes, stores, repartitionTopics: [], clock: new SimulatedClock(0), collector,
    config: { onDeserializationError: 'skip', cacheMaxBytes },
  })
  const { view } = task.stores.get('counts')!
  const committed = () => {
    const offsets = task.prepareCommit()
    collector.flush()
    task.committed()
    return [offsets, ...seen]
  }
  return { task, seen, collector, committed, rows: () => (view as unknown as { all(): Iterable<unknown> }).all() }
}

function batchOf(inputs: readonly Input[]): RecordBatchView {
  const builder = new RecordBatchBuilder({ maxBytes: 1 << 20 })
  for (const { key, value, timestamp, headers } of inputs) builder.add(key, value, timestamp, headers)
  return new RecordBatchView(builder.build().bytes)
}

/** All that can be seen of a task: what it writes and commits, step by step, and its rows. `many`: as threads process; else one record at a time. */
function seenOf(steps: readonly Step[], cacheMaxBytes: number, many: boolean): readonly unknown[] {
  const { task, seen, collector, rows } = taskOf(cacheMaxBytes)
  const all: Uint8Array[] = []
  const starts: number[] = []
  let end = 0
  let committed = 0
  const addFrom = (from: number) => {
    for (const [index, bytes] of all.entries()) if (index >= from) task.addRecords({ topic: 'in', partition: 0 }, [new RecordBatchView(bytes)], starts[index + 1] ?? end)
  }
  const add = (inputs: readonly Input[]) => {
    const { bytes } = batchOf(inputs)
    new DataView(bytes.buffer, bytes.byteOffset).setBigInt64(0, BigInt(end))
    all.push(bytes)
    starts.push(end)
    end += inputs.length
    addFrom(all.length - 1)
  }
  const process = (limit: number) => {
    let done = 0
    if (many) for (let count; done < limit && (count = task.processMany(limit - done, 7)) > 0; done += count);
    else while (done < limit && task.process(7)) done++
    return done
  }
  try {
    for (const step of steps) {
      if (step.does === 'add') add(step.inputs)
      else if (step.does === 'process') seen.push(['processed', process(step.limit), task.droppedRecords, task.waiting({ topic: 'in', partition: 0 }).buffered])
      else if (step.does === 'flush') task.flush()
      else if (step.does === 'rollback') {
        // The application reads again from where it committed: here at the beginning of a batch.
        task.rollback()
        collector.discard()
        addFrom(committed)
      } else {
        while (task.process(7));
        seen.push(task.prepareCommit())
        collector.flush()
        const count = all.length
        if (step.does === 'seal') {
          task.seal()
          add(step.inputs)
          process(50)
        }
        task.committed()
        committed = count
      }
    }
    while (task.process(7));
    seen.push(task.prepareCommit())
    collector.flush()
    task.committed()
  } catch (error) {
    return [...seen, String(error)]
  }
  return [...seen, ...rows(), task.droppedRecords]
}

const words = ['a', 'the', 'of', 'word', 'words', 'something', 'x'.repeat(70)].map((text) => Buffer.from(text))
const plainWord = fc.constantFrom(...words)
const word = fc.oneof(
  { weight: 6, arbitrary: plainWord },
  { weight: 2, arbitrary: fc.constantFrom('é', 'größe', '').map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.constantFrom(Uint8Array.of(0xff), Uint8Array.of(97, 0xc3), null) },
)
const headers = fc.oneof({ weight: 15, arbitrary: fc.constant([]) }, fc.constant([{ key: 'h', value: Buffer.from('1') }]))
const timestamp = fc.oneof({ weight: 40, arbitrary: fc.nat({ max: 50 }) }, { weight: 5, arbitrary: fc.nat({ max: 10_000_000 }) })
const input: fc.Arbitrary<Input> = fc.oneof(
  { weight: 80, arbitrary: fc.tuple(plainWord, timestamp).map(([key, time]) => ({ key, value: key, timestamp: time, headers: [] })) },
  { weight: 1, arbitrary: fc.record({ key: word, value: word, timestamp, headers }) },
)
const inputs = fc.tuple(fc.array(input, { minLength: 1, maxLength: 200, size: 'max' }), fc.constantFrom(0, 0, 2 ** 32 - 25)).map(([some, from]) => some.map((each) => ({ ...each, timestamp: from + each.timestamp })))
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ does: fc.constant('add' as const), inputs }) },
  { weight: 6, arbitrary: fc.record({ does: fc.constant('process' as const), limit: fc.oneof(fc.nat({ max: 10 }), fc.constantFrom(128, 300)) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constantFrom('commit' as const, 'rollback' as const, 'flush' as const) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('seal' as const), inputs }) },
)

describe('CountAhead', () => {
  it('counts as one record after the other does, whatever the records are, through commits and rollbacks', () => {
    const take = vi.spyOn(CountAhead.prototype, 'take')
    fc.assert(fc.property(fc.array(step, { minLength: 2, maxLength: 20, size: 'max' }), fc.constantFrom(1 << 20, 1 << 20, 600), (steps, cacheMaxBytes) => {
      // The rows are there before what comes next is read ahead.
      const all: readonly Step[] = [{ does: 'add', inputs: words.map((key) => ({ key, value: key, timestamp: 1, headers: [] })) }, { does: 'process', limit: words.length }, ...steps]
      expect(seenOf(all, cacheMaxBytes, true)).toEqual(seenOf(all, cacheMaxBytes, false))
    }), { numRuns: 250 })
    const counted = take.mock.results.reduce((sum, { value }) => sum + (value as number), 0)
    expect(counted).toBeGreaterThan(1_000)
    take.mockRestore()
  })

  it('sends on the largest time as stream time, and the headers of the last record', () => {
    const a = Buffer.from('a')
    // The last one that is processed goes the ordinary way: it is another word.
    const records = Array.from({ length: 60 }, (_, index) => ({ key: index === 51 ? Buffer.from('b') : a, value: a, timestamp: index === 20 ? 1_000 : 5, headers: index === 3 ? [{ key: 'h', value: a }] : [] }))
    const steps: readonly Step[] = [{ does: 'add', inputs: records.slice(0, 2) }, { does: 'process', limit: 2 }, { does: 'add', inputs: records.slice(2) }, { does: 'process', limit: 50 }]
    const seen = seenOf([...steps, { does: 'flush' }], 1 << 20, true)
    expect(seen).toEqual(seenOf([...steps, { does: 'flush' }], 1 << 20, false))
    expect(JSON.stringify(seen)).toContain(`["out","61","${Buffer.from(longSerde.serialize(1_000)).toString('hex')}",1000,0]`)
  })

  it('counts rows that were restored, and that no record has written', () => {
    const keys = Array.from({ length: 100 }, (_, index) => Buffer.from(`key ${index}`))
    const changelog = batchOf(keys.map((key) => ({ key, value: longSerde.serialize(3), timestamp: 9, headers: [] })))
    const seen = (many: boolean) => {
      const { task, rows, committed } = taskOf(1 << 20)
      task.restore('app-counts-changelog', [changelog])
      task.rollback()
      task.addRecords({ topic: 'in', partition: 0 }, [batchOf([...keys, ...keys].map((key, index) => ({ key, value: key, timestamp: index % 20, headers: [] })))], 200)
      if (many) while (task.processMany(1_000, 7) > 0);
      else while (task.process(7));
      return [committed(), ...rows()]
    }
    expect(seen(true)).toEqual(seen(false))
    expect(JSON.stringify(seen(true))).toContain('["out","' + Buffer.from('key 7').toString('hex') + `","${Buffer.from(longSerde.serialize(5)).toString('hex')}",9,0]`)
  })

  it('leaves a record with a negative time to fail as it does elsewhere', () => {
    const records = (time: number) => Array.from({ length: 40 }, (_, index) => ({ key: Buffer.from('a'), value: Buffer.from('a'), timestamp: index === 30 ? time : 5, headers: [] }))
    const steps: readonly Step[] = [{ does: 'add', inputs: records(-1) }, { does: 'process', limit: 100 }]
    const seen = seenOf(steps, 1 << 20, true)
    expect(seen).toEqual(seenOf(steps, 1 << 20, false))
    expect(JSON.stringify(seen)).toContain('offset 30 has the timestamp -1')
  })
})
