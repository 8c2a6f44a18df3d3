// Connectors that make every loss and repeat visible, as Kafka's VerifiableSource and VerifiableSink do: the source counts
// upwards in each of its logs; the sink appends what it takes to a file, durable before its offsets are committed.
// With `mortal=true` a task's thread ends itself now and then.
import { appendFileSync, closeSync, fsyncSync, openSync } from 'node:fs'
import { configSpec, option, sleep } from 'millrace/connect'

const mortal = option.boolean({ doc: 'Whether the thread of the task ends now and then.', default: false })
const source = configSpec({ 'topic': option.string({ doc: 'Where to count.' }), 'logs': option.int({ doc: 'Source partitions.', default: 2 }), mortal })
const sink = configSpec({ 'file': option.string({ doc: 'Where to write.' }), mortal })

const dieNowAndThen = (isMortal) => { if (isMortal && Math.random() < 0.01) process.exit(1) }

class NumberTask {
  async start(config, context) {
    this.config = config
    this.context = context
    this.partitions = Array.from({ length: config.logs }, (_, log) => ({ log }))
    this.next = (await context.offsets(this.partitions)).map((offset) => (offset?.count ?? 0) + 1)
  }

  async poll(signal) {
    await sleep(this.context.clock, 1, signal)
    dieNowAndThen(this.config.mortal)
    return this.partitions.flatMap((sourcePartition, log) => Array.from({ length: 1 + (this.next[log] % 50) }, () => {
      const count = this.next[log]++
      return { topic: this.config.topic, key: String(log), value: `${log} ${count}`, sourcePartition, sourceOffset: { count } }
    }))
  }

  stop() {}
}

class FileTask {
  start(config) {
    this.config = config
    this.file = openSync(config.file, 'a')
  }

  put(records) {
    dieNowAndThen(this.config.mortal)
    if (records.length > 0) appendFileSync(this.file, records.map(({ value }) => `${value}\n`).join(''))
  }

  flush() {
    fsyncSync(this.file)
  }

  stop() {
    closeSync(this.file)
  }
}

const planner = () => ({ start() {}, taskConfigs: (max) => Array.from({ length: max }, () => ({})), stop() {} })

export const plugins = [
  { type: 'source', class: 'test.NumberSource', version: '1', config: source, createConnector: () => ({ ...planner(), taskConfigs: () => [{}] }), createTask: () => new NumberTask() },
  { type: 'sink', class: 'test.FileSink', version: '1', config: sink, createConnector: planner, createTask: () => new FileTask() },
]
