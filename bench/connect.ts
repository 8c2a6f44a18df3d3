/**
 * What the Connect worker promises: records through a source task and through a sink task, with connectors that cost nothing,
 * durable and exactly once as it comes. `node dist/bench/connect.js`
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { openEmbeddedBroker } from 'millrace'
import type { Broker } from 'millrace'
import { configSpec, ConnectWorker, schema, sleep, Struct, systemClock } from 'millrace/connect'
import type { RawConfig, SinkPlugin, SourcePlugin, SourcePoll } from 'millrace/connect'
import { bench, benchDirectory } from './harness.ts'

const lineBytes = 100
const batchRecords = 5000
const directory = benchDirectory()
const line = Buffer.from('x'.repeat(lineBytes))
const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** Gives `records` records, batch by batch, then nothing. */
function sourceOf(records: number, batch: (from: number) => SourcePoll): SourcePlugin {
  let next = 0
  return {
    type: 'source', class: 'bench.Source', version: '1', config: configSpec({}),
    createConnector: () => ({ start: () => {}, taskConfigs: () => [{}], stop: () => {} }),
    createTask: () => ({
      start: () => { next = 0 },
      poll: async (signal) => {
        if (next >= records) {
          await sleep(systemClock, 1000, signal)
          return null
        }
        next += batchRecords
        return batch(next - batchRecords)
      },
      stop: () => {},
    }),
  }
}

const nullSink: SinkPlugin = {
  type: 'sink', class: 'bench.Sink', version: '1', config: configSpec({}),
  createConnector: () => ({ start: () => {}, taskConfigs: () => [{}], stop: () => {} }),
  createTask: () => ({ start: () => {}, put: () => {}, stop: () => {} }),
}

let runs = 0

/** Runs one connector, under a name and on a topic of its own, until its task has moved the records. */
async function runUntil(broker: Broker, plugin: SourcePlugin | SinkPlugin, config: RawConfig, records: number): Promise<void> {
  const done = new AbortController()
  const isDone = () => (worker.status()[0]?.tasks[0]?.records ?? 0) >= records
  const worker: ConnectWorker = ConnectWorker.open({ broker, plugins: [plugin], log: quiet, config: { 'task.host': 'in-process' }, onChange: () => { if (isDone()) done.abort() } })
  await worker.start({ name: `bench-${runs++}`, config: { 'connector.class': plugin.class, 'value.converter': 'StringConverter', ...config } })
  await sleep(systemClock, 120_000, done.signal)
  await worker.stop()
}

const lines = Buffer.concat(Array.from({ length: batchRecords }, () => line))
const spans = Uint32Array.from({ length: 2 * batchRecords }, (_, index) => Math.ceil(index / 2) * lineBytes)
const spansBatch = (topic: () => string) => (from: number): SourcePoll => ({
  topic: topic(), sourcePartition: { file: 'bench' }, bytes: lines, spans, recordCount: batchRecords, valueType: 'string', timestamp: 1, sourceOffset: (index) => ({ position: from + index }),
})

const event = (id: number) => ({ id, path: `/products/${id % 100}`, status: 200, at: 1_700_000_000_000 + id, agent: 'x'.repeat(40) })
const eventsBatch = (topic: () => string) => (from: number): SourcePoll =>
  Array.from({ length: batchRecords }, (_, index) => ({ topic: topic(), value: event(from + index), sourcePartition: { file: 'bench' }, sourceOffset: { position: from + index } }))

const threeTransforms: RawConfig = {
  'transforms': 'add,drop,route', 'transforms.add.type': 'InsertField$Value', 'transforms.add.static.field': 'source', 'transforms.add.static.value': 'bench',
  'transforms.drop.type': 'ReplaceField$Value', 'transforms.drop.exclude': 'agent',
  'transforms.route.type': 'RegexRouter', 'transforms.route.regex': '(.*)', 'transforms.route.replacement': '$1',
}

const sixTransforms: RawConfig = {
  ...threeTransforms,
  'transforms': 'add,drop,route,rename,mask,header', 'transforms.rename.type': 'ReplaceField$Value', 'transforms.rename.renames': 'status:code',
  'transforms.mask.type': 'MaskField$Value', 'transforms.mask.fields': 'path',
  'transforms.header.type': 'InsertHeader', 'transforms.header.header': 'via', 'transforms.header.value.literal': 'bench',
}

const eventSchema = schema.struct({ id: schema.int64(), path: schema.string(), status: schema.int32(), at: schema.int64(), agent: schema.string() })
const structsBatch = (topic: () => string) => (from: number): SourcePoll =>
  Array.from({ length: batchRecords }, (_, index) => ({
    topic: topic(), valueSchema: eventSchema, value: new Struct(eventSchema, event(from + index)), sourcePartition: { file: 'bench' }, sourceOffset: { position: from + index },
  }))

function writeBytes(records: number): void {
  const file = openSync(join(directory.path, 'calibration'), 'w')
  for (let from = 0; from < records; from += batchRecords) writeSync(file, lines)
  closeSync(file)
}

const broker = await openEmbeddedBroker({ directory: join(directory.path, 'log') })
const lineCount = 1_000_000
const eventCount = 200_000
const topic = () => `bench-${runs}`
const stringified = { name: 'JSON.stringify of each value', run: () => { for (let id = 0; id < eventCount; id++) Buffer.from(JSON.stringify(event(id))) } }
const texts = Array.from({ length: 1000 }, (_, id) => JSON.stringify(event(id)))
const parsed = { name: 'JSON.parse of each value', run: () => { for (let id = 0; id < eventCount; id++) JSON.parse(texts[id % 1000]!) } }

try {
  await bench({
    name: 'connect-source-lines', records: lineCount, bytes: lineCount * lineBytes,
    run: () => runUntil(broker, sourceOf(lineCount, spansBatch(topic)), {}, lineCount),
    against: { name: 'writeSync of the same bytes, 500 kB at a time', run: () => writeBytes(lineCount) },
  })
  for (const [name, config] of [['connect-source-json', {}], ['connect-source-json-3-transforms', threeTransforms], ['connect-source-json-6-transforms', sixTransforms]] as const) {
    await bench({
      name, records: eventCount, bytes: eventCount * lineBytes,
      run: () => runUntil(broker, sourceOf(eventCount, eventsBatch(topic)), { ...config, 'value.converter': 'JsonConverter', 'value.converter.schemas.enable': 'false' }, eventCount),
      against: stringified,
    })
  }
  for (const [name, config] of [['connect-source-json-schemas', {}], ['connect-source-json-schemas-3-transforms', threeTransforms], ['connect-source-json-schemas-6-transforms', sixTransforms]] as const) {
    await bench({
      name, records: eventCount, bytes: eventCount * lineBytes,
      run: () => runUntil(broker, sourceOf(eventCount, structsBatch(topic)), { ...config, 'value.converter': 'JsonConverter' }, eventCount),
      against: stringified,
    })
  }
  await runUntil(broker, sourceOf(lineCount, spansBatch(() => 'lines')), {}, lineCount)
  await bench({
    name: 'connect-sink-lines', records: lineCount, bytes: lineCount * lineBytes,
    run: () => runUntil(broker, nullSink, { 'topics': 'lines', 'key.converter': 'StringConverter' }, lineCount),
    against: { name: 'toString of each value', run: () => { for (let index = 0; index < lineCount; index++) line.toString() } },
  })
  const schemaless = { 'value.converter': 'JsonConverter', 'value.converter.schemas.enable': 'false' }
  await runUntil(broker, sourceOf(eventCount, eventsBatch(() => 'events')), schemaless, eventCount)
  for (const [name, config] of [['connect-sink-json', {}], ['connect-sink-json-3-transforms', threeTransforms], ['connect-sink-json-6-transforms', sixTransforms]] as const) {
    await bench({
      name, records: eventCount, bytes: eventCount * lineBytes,
      run: () => runUntil(broker, nullSink, { ...config, ...schemaless, 'topics': 'events', 'key.converter': 'StringConverter' }, eventCount),
      against: parsed,
    })
  }
  await runUntil(broker, sourceOf(eventCount, structsBatch(() => 'structs')), { 'value.converter': 'JsonConverter' }, eventCount)
  await bench({
    name: 'connect-sink-json-schemas', records: eventCount, bytes: eventCount * lineBytes,
    run: () => runUntil(broker, nullSink, { 'topics': 'structs', 'value.converter': 'JsonConverter', 'key.converter': 'StringConverter' }, eventCount),
    against: parsed,
  })
} finally {
  await broker.close()
  directory.remove()
}
