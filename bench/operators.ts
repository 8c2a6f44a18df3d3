/**
 * Operators and stores alone: from encoded input batches to encoded output and changelog batches, without a log or a broker. A slice is what lies between two
 * commits (caches emptied, stores committed), with the commit. Programs that keep something commit every 100 ms, as an application does by itself under
 * exactly-once; the others every millisecond, as their commits cost nothing here and short slices are less disturbed.
 * Each case has a process of its own, as a program has: what the compiler learnt of another would be mixed with it.
 * `node dist/bench/operators.js [name…]`; MILLRACE_BENCH_MS is for how long each case is measured.
 */
import { spawnSync } from 'node:child_process'
import { SpareMemory, spareBlockOf, systemClock } from '../src/core/index.ts'
import type { RecordBatch } from '../src/core/index.ts'
import { splitBatches } from '../src/core/log/record-batch.ts'
import type { Topology } from '../src/streams/index.ts'
import { BatchingCollector } from '../src/streams/runtime/record-collector.ts'
import { StreamTask } from '../src/streams/runtime/stream-task.ts'
import { countByKey, hitData, randomKeys, stateless, windowedCount } from './hits.ts'
import {
  chainProgram, countProgram, customerData, eventData, lineData, lookingProgram, orderData, parseEvents, scatteredData, sideData, streamStreamProgram, streamTableProgram, tableTableProgram, windowedProgram,
} from './reference-programs.ts'
import { benchSteady } from './steady.ts'
import type { SteadyCase } from './steady.ts'
import type { TopicData } from './topic-data.ts'

/** By topic; read in turn, a batch of each, as a task with two inputs does. */
type Inputs = Readonly<Record<string, TopicData>>

const recordCount = 600_000
/** Of lines: what was just read is in the processor's caches, and so are these. */
const lineCount = 10_000
/** Of a task, before a thread looks at its others. */
const turnRecords = 128
const nowMs = Date.parse('2026-11-21T00:00:00Z')

type Batches = ReadonlyMap<string, readonly RecordBatch[]>

/** One task over all inputs; answers the bytes that it wrote. */
function runTask(topology: Topology, inputs: Batches, slice: Parameters<SteadyCase['run']>[0]): number {
  let bytes = 0
  const memory = new SpareMemory()
  // As if each batch were acknowledged at once.
  const sendBatch = (_target: unknown, batch: { readonly bytes: Uint8Array }) => {
    bytes += batch.bytes.length
    const block = spareBlockOf(batch.bytes)
    if (block !== null) memory.giveBack(block)
  }
  const collector = new BatchingCollector({ maxBatchBytes: 256 * 1024, partitionCount: () => 1, memory, sendBatch })
  const task = new StreamTask({
    taskId: '0_0', partition: 0, applicationId: 'bench', nodes: topology.nodes, stores: topology.stores, repartitionTopics: [],
    clock: systemClock, config: {}, collector,
  })
  const commitIntervalMs = topology.stores.length === 0 ? 1 : 100
  const offsets = new Map<string, number>()
  const longest = Math.max(...[...inputs.values()].map((batches) => batches.length))
  let index = 0
  const readOneOfEach = () => {
    let records = 0
    for (const [name, batches] of inputs) {
      const batch = batches[index]
      if (batch === undefined) continue
      records += batch.recordCount
      offsets.set(name, (offsets.get(name) ?? 0) + batch.recordCount)
      task.addRecords({ topic: name, partition: 0 }, [batch], offsets.get(name)!)
    }
    while (task.processMany(turnRecords, nowMs) > 0) continue
    index++
    return records
  }
  const processUntilCommit = () => {
    const began = performance.now()
    let records = 0
    while (performance.now() - began < commitIntervalMs && index < longest) records += readOneOfEach()
    task.prepareCommit()
    collector.flush()
    task.committed()
    return index < longest ? records : 0
  }
  while (index < longest) slice(processUntilCommit)
  task.close()
  return bytes
}

function steadyCase(name: string, topology: () => Topology, inputs: Inputs): SteadyCase {
  const byTopic = new Map(Object.entries(inputs).map(([input, { batches }]) => [input, batches.flatMap(({ bytes }) => splitBatches(bytes))]))
  const parse = parseEvents(2_500)
  return {
    name,
    against: { name: parse.name, records: 2_500, run: () => { void parse.run() } },
    run(slice) {
      if (runTask(topology(), byTopic, slice) === 0) throw new Error('nothing was written')
    },
  }
}

function repeated({ batches }: TopicData, times: number): TopicData {
  return { batches: Array.from({ length: times }, () => batches).flat() }
}

const key = randomKeys(11, 10_000)
const textLines = () => repeated(lineData(lineCount, key), recordCount / lineCount)
/** As the end-to-end programs read them, and the ones that they are compared with. */
const keylessLines = () => repeated(lineData(lineCount), recordCount / lineCount)
const hits = () => hitData(7, recordCount, randomKeys(11, 10_000))

const cases: Readonly<Record<string, () => readonly [() => Topology, Inputs]>> = {
  'stateless-3': () => [() => chainProgram(3), { lines: textLines() }],
  'stateless-6': () => [() => chainProgram(6), { lines: textLines() }],
  'stateless-10': () => [() => chainProgram(10), { lines: textLines() }],
  'stateless-3 (lines without keys)': () => [() => chainProgram(3), { lines: keylessLines() }],
  'looking-3 (no value is changed)': () => [() => lookingProgram(3), { lines: textLines() }],
  'looking-10 (no value is changed)': () => [() => lookingProgram(10), { lines: textLines() }],
  'json-stateless-3': () => [() => stateless(3), { hits: hits() }],
  'json-stateless-10': () => [() => stateless(10), { hits: hits() }],
  'count-10k-keys': () => [countProgram, { events: eventData(recordCount, 10_000) }],
  'count-1m-keys': () => [countProgram, { events: eventData(recordCount, 1_000_000) }],
  'windowed-count-10k-keys': () => [() => windowedProgram(), { events: eventData(recordCount, 10_000) }],
  'windowed-count-1m-keys': () => [() => windowedProgram(), { events: eventData(recordCount, 1_000_000) }],
  'windowed-count-1-open-window (of 10,000 keys)': () => [() => windowedProgram('1d'), { events: scatteredData(recordCount, 1) }],
  'windowed-count-1000-open-windows (of 10 keys)': () => [() => windowedProgram('1d'), { events: scatteredData(recordCount, 1_000) }],
  'windowed-count-many-rows (two records a row)': () => [windowedCount, { hits: hits() }],
  'count-hits-10k-keys': () => [countByKey, { hits: hits() }],
  'stream-table-join': () => [streamTableProgram, { customers: customerData(100_000), orders: orderData(recordCount) }],
  'table-table-join': () => [tableTableProgram, { left: sideData('left', recordCount / 2), right: sideData('right', recordCount / 2) }],
  'stream-stream-join': () => [streamStreamProgram, { left: sideData('left', recordCount / 2), right: sideData('right', recordCount / 2) }],
}

const asked = process.argv.slice(2)
const names = Object.keys(cases).filter((name) => asked.length === 0 || asked.some((part) => name.startsWith(part)))
const [only] = asked.length === 1 && cases[asked[0]!] !== undefined ? asked : names.length === 1 ? names : []
if (only !== undefined) benchSteady(steadyCase(only, ...cases[only]!()))
else for (const name of names) spawnSync(process.execPath, [...process.execArgv, process.argv[1]!, name], { stdio: 'inherit' })
