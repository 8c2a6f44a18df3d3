/**
 * Operators and stores alone: from encoded input batches to encoded output and changelog batches, without a log or a broker.
 * A commit (caches emptied, stores committed) comes every 20,000 records. `node dist/bench/operators.js [name…]`
 */
import { systemClock } from '../src/core/index.ts'
import type { RecordBatch } from '../src/core/index.ts'
import { splitBatches } from '../src/core/log/record-batch.ts'
import type { Topology } from '../src/streams/index.ts'
import { BatchingCollector } from '../src/streams/runtime/record-collector.ts'
import { StreamTask } from '../src/streams/runtime/stream-task.ts'
import { bench } from './harness.ts'
import type { BenchCase } from './harness.ts'
import { countByKey, hitData, parseAll, randomKeys, startMs, stateless, streamStreamJoin, streamTableJoin, tableTableJoin, windowedCount } from './hits.ts'
import type { HitData } from './hits.ts'

/** By topic; read in turn, a batch of each, as a task with two inputs does. */
type Inputs = Readonly<Record<string, HitData>>

const recordCount = 200_000
const recordsPerCommit = 20_000

/** One task over all inputs; answers the bytes that it wrote. */
function runTask(topology: Topology, inputs: ReadonlyMap<string, readonly RecordBatch[]>): number {
  let bytes = 0
  const collector = new BatchingCollector({ maxBatchBytes: 256 * 1024, partitionCount: () => 1, sendBatch: (_target, batch) => { bytes += batch.bytes.length } })
  const task = new StreamTask({
    taskId: '0_0', partition: 0, applicationId: 'bench', nodes: topology.nodes, stores: topology.stores, repartitionTopics: [],
    clock: systemClock, config: {}, collector,
  })
  const commit = () => {
    task.prepareCommit()
    collector.flush()
    task.committed()
  }
  const offsets = new Map<string, number>()
  const longest = Math.max(...[...inputs.values()].map((batches) => batches.length))
  for (let index = 0, sinceCommit = 0; index < longest; index++) {
    for (const [name, batches] of inputs) {
      const batch = batches[index]
      if (batch === undefined) continue
      offsets.set(name, (offsets.get(name) ?? 0) + batch.recordCount)
      task.addRecords({ topic: name, partition: 0 }, [batch], offsets.get(name)!)
    }
    while (task.process(startMs)) sinceCommit++
    if (sinceCommit < recordsPerCommit) continue
    commit()
    sinceCommit = 0
  }
  commit()
  task.close()
  return bytes
}

function benchCase(name: string, topology: () => Topology, inputs: Inputs): BenchCase {
  const byTopic = new Map(Object.entries(inputs).map(([input, { batches }]) => [input, batches.flatMap(({ bytes }) => splitBatches(bytes))]))
  const batches = [...byTopic.values()].flat()
  return {
    name,
    records: batches.reduce((sum, batch) => sum + batch.recordCount, 0),
    bytes: batches.reduce((sum, batch) => sum + batch.sizeBytes, 0),
    run() {
      if (runTask(topology(), byTopic) === 0) throw new Error('nothing was written')
    },
    against: parseAll(...Object.values(inputs)),
  }
}

const hits = hitData(7, recordCount, randomKeys(11, 10_000))
const others = hitData(8, recordCount / 2, randomKeys(12, 10_000), 6)
const users = hitData(9, 10_000, (index) => `key-${index}`, 0)

const cases: readonly (() => BenchCase)[] = [
  ...[3, 6, 10].map((count) => () => benchCase(`stateless-${count}`, () => stateless(count), { hits })),
  () => benchCase('count-10k-keys', countByKey, { hits }),
  () => benchCase('windowed-count-10k-keys', windowedCount, { hits }),
  () => benchCase('windowed-count-1m-keys', windowedCount, { hits: hitData(7, recordCount, randomKeys(11, 1_000_000)) }),
  () => benchCase('stream-table-join-10k-keys', streamTableJoin, { users, hits }),
  () => benchCase('table-table-join-10k-keys', tableTableJoin, { hits, others }),
  () => benchCase('stream-stream-join-10k-keys', streamStreamJoin, { hits, others }),
]

const asked = process.argv.slice(2)
for (const make of cases) {
  const made = make()
  if (asked.length === 0 || asked.some((name) => made.name.includes(name))) await bench(made)
}
