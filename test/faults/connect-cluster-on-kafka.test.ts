/** `millrace connect distributed` on Apache Kafka: three workers, of which the one that runs the task is killed, and the next one paused. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
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
const patienceMs = 90_000
const last = 600

interface Status {
  readonly tasks: readonly { readonly state: string; readonly worker_id: string }[]
}

await describeWith('kafka', 'millrace connect distributed on Apache Kafka', ({ bootstrapServers }) => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-connect-cluster-'))
  const [topic, cluster] = [freshName('counted'), freshName('cluster')]
  let broker: Broker
  beforeAll(async () => {
    broker = await openKafkaBroker({ brokers: bootstrapServers.split(',') })
    writeFileSync(join(directory, 'worker.json'), JSON.stringify({
      'bootstrap.servers': bootstrapServers, 'group.id': cluster, 'plugin.path': plugin, 'listeners': 'http://127.0.0.1:0', 'value.converter': 'StringConverter', 'offset.flush.interval.ms': '100',
      'config.storage.topic': `${cluster}-configs`, 'offset.storage.topic': `${cluster}-offsets`, 'status.storage.topic': `${cluster}-status`,
      'session.timeout.ms': '6000', 'heartbeat.interval.ms': '500', 'scheduled.rebalance.max.delay.ms': '0',
    }))
  })
  afterAll(async () => {
    await broker.close()
    rmSync(directory, { recursive: true, force: true })
  })

  const until = async (isSo: () => Promise<boolean>, what: string) => {
    for (const deadline = systemClock.monotonic() + patienceMs; !await isSo(); await sleep(systemClock, 100)) {
      if (systemClock.monotonic() > deadline) throw new Error(`never happened: ${what}`)
    }
  }
  const start = async () => {
    const worker = startConsole(['connect', 'distributed', 'worker.json'], { directory, limitMs: 500_000 })
    const url = /at (http:\/\/\S+) on/.exec(await worker.waitFor('Ctrl-C stops it'))![1]!
    const get = async (path: string): Promise<unknown> => (await fetch(`${url}${path}`)).json()
    await until(async () => ((await get('/health')) as { readonly status: string }).status === 'healthy', `${url} is healthy`)
    return { worker, url, get, status: async () => (await get('/connectors/count/status')) as Status }
  }
  const count = async () => ((await broker.topics.list()).includes(topic) ? (await readTopic(broker, topic)).length : 0)

  it('goes on at another worker when one is killed, and when one is paused, which is a zombie later: without a gap or a repeat', async () => {
    const workers = [await start(), await start(), await start()]
    const config = { 'connector.class': 'CountingSource', topic, 'last': String(last) }
    const made = await fetch(`${workers[1]!.url}/connectors`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name: 'count', config }) })
    expect(made.status).toBe(201)
    const runnerSeenBy = async (observer: (typeof workers)[number]) => {
      const [task] = (await observer.status()).tasks ?? []
      return task?.state === 'RUNNING' ? workers.find(({ url }) => new URL(url).host === task.worker_id) : undefined
    }
    await until(async () => await runnerSeenBy(workers[0]!) !== undefined && await count() > 10, 'the task runs')
    const killed = (await runnerSeenBy(workers[0]!))!
    killed.worker.kill('SIGKILL')
    await killed.worker.ended
    const left = workers.filter((each) => each !== killed)
    await until(async () => ![undefined, killed].includes(await runnerSeenBy(left[0]!)), 'another worker has the task')
    const paused = (await runnerSeenBy(left[0]!))!
    const survivor = left.find((each) => each !== paused)!
    paused.worker.kill('SIGSTOP')
    await until(async () => await runnerSeenBy(survivor) === survivor, 'the last worker has the task')
    await until(async () => await count() >= last, 'all is counted')
    // it still thinks that the task is its own
    paused.worker.kill('SIGCONT')
    await until(async () => await runnerSeenBy(paused) === survivor, 'the one that was paused knows who has the task')
    survivor.worker.kill('SIGTERM')
    expect(await survivor.worker.ended).toMatchObject({ code: 0 })
    expect((await readTopic(broker, topic)).map(({ value }) => value)).toEqual(Array.from({ length: last }, (_, index) => `${index + 1} thread`))
  }, 500_000)
})
