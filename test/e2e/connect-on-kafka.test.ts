/** `millrace connect standalone` on a cluster that the worker's file names: source, sink, threads, and a process that is killed. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openKafkaBroker, sleep, systemClock } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import { readTopic } from '../connect/runtime/connect-kit.ts'
import { startConsole } from '../kit/console.ts'
import { freshName } from '../kit/kafka.ts'
import { describeWith } from '../kit/services.ts'

const plugin = fileURLToPath(new URL('../connect/runtime/fixtures/counting-plugin.mjs', import.meta.url))
const patienceMs = 60_000

await describeWith('kafka', 'millrace connect standalone on Apache Kafka', ({ bootstrapServers }) => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-connect-on-kafka-'))
  const [topic, offsets] = [freshName('counted'), freshName('connect-offsets')]
  const output = join(directory, 'counted.txt')
  let broker: Broker
  beforeAll(async () => {
    broker = await openKafkaBroker({ brokers: bootstrapServers.split(',') })
    const write = (name: string, content: object) => writeFileSync(join(directory, name), JSON.stringify(content))
    write('worker.json', {
      'bootstrap.servers': bootstrapServers, 'group.id': freshName('connect'), 'plugin.path': plugin, 'value.converter': 'StringConverter', 'offset.storage.topic': offsets,
      'offset.flush.interval.ms': '100',
    })
    write('source.json', { name: 'count', config: { 'connector.class': 'CountingSource', topic, 'last': '40', 'death': 'exit', 'death.at': '20', 'death.marker': join(directory, 'died') } })
    write('sink.json', { name: freshName('copy'), config: { 'connector.class': 'FileSink', 'topics': topic, 'file': output, 'consumer.override.session.timeout.ms': '2000' } })
  })
  afterAll(async () => {
    await broker.close()
    rmSync(directory, { recursive: true, force: true })
  })

  const start = () => startConsole(['connect', 'standalone', 'worker.json', 'source.json', 'sink.json'], { directory })
  const lines = () => (existsSync(output) ? readFileSync(output, 'utf8').trimEnd().split('\n') : [])
  const until = async (isSo: () => boolean | Promise<boolean>, what: string) => {
    for (const deadline = systemClock.monotonic() + patienceMs; !await isSo(); await sleep(systemClock, 50)) {
      if (systemClock.monotonic() > deadline) throw new Error(`never happened: ${what}; ${lines().length} lines`)
    }
  }

  it('moves every record once, in threads of their own, though a thread dies and the process is killed', async () => {
    const first = start()
    expect(await first.waitFor('Ctrl-C stops it')).toContain(`on ${bootstrapServers}`)
    await until(() => existsSync(join(directory, 'died')), 'a task\'s thread has died')
    await until(() => lines().length >= 20, 'half of it is in the file')
    first.kill('SIGKILL')
    expect(await first.ended).toMatchObject({ signal: 'SIGKILL' })

    const second = start()
    await until(() => lines().length >= 40, 'all of it is in the file')
    second.kill('SIGTERM')
    expect(await second.ended).toMatchObject({ code: 0 })
    const counted = Array.from({ length: 40 }, (_, index) => `${index + 1} thread`)
    expect((await readTopic(broker, topic)).map(({ value }) => value)).toEqual(counted)
    expect(lines()).toEqual(counted)
  }, 240_000)
})
