/** `millrace connect distributed` on Apache Kafka: of three workers the one that runs a task is killed, and the next one paused while the plan shrinks. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openKafkaBroker, sleep, systemClock } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import { readTopic } from '../connect/runtime/connect-kit.ts'
import { startConsole } from '../kit/console.ts'
import { freshName } from '../kit/kafka.ts'
import { describeWith } from '../kit/services.ts'

const patienceMs = 120_000
/** One that stands still answers nothing. */
const answerMs = 5_000
const last = 800

interface Status {
  readonly tasks?: readonly { readonly id: number; readonly state: string; readonly worker_id: string }[]
}

await describeWith('kafka', 'millrace connect distributed on Apache Kafka', ({ bootstrapServers }) => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-connect-cluster-'))
  const [topic, cluster] = [freshName('counted'), freshName('cluster')]
  let broker: Broker
  beforeAll(async () => {
    broker = await openKafkaBroker({ brokers: bootstrapServers.split(',') })
    writeFileSync(join(directory, 'worker.json'), JSON.stringify({
      'bootstrap.servers': bootstrapServers, 'group.id': cluster, 'listeners': 'http://127.0.0.1:0', 'key.converter': 'StringConverter', 'value.converter': 'StringConverter', 'offset.flush.interval.ms': '100',
      'config.storage.topic': `${cluster}-configs`, 'offset.storage.topic': `${cluster}-offsets`, 'status.storage.topic': `${cluster}-status`,
      'session.timeout.ms': '6000', 'heartbeat.interval.ms': '500', 'consumer.session.timeout.ms': '6000', 'scheduled.rebalance.max.delay.ms': '0',
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
    const text = async (path: string) => (await fetch(`${url}${path}`)).text()
    const get = async <T>(path: string) => JSON.parse(await text(path)) as T
    await until(async () => (await get<{ readonly status: string }>('/health')).status === 'healthy', `${url} is healthy`)
    return { worker, url, text, get, host: new URL(url).host, status: (name: string) => get<Status>(`/connectors/${name}/status`) }
  }
  type Worker = Awaited<ReturnType<typeof start>>
  /** Until somebody leads who takes it. */
  const put = (worker: Worker, name: string, config: Readonly<Record<string, string>>) => until(
    async () => fetch(`${worker.url}/connectors/${name}/config`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(config), signal: AbortSignal.timeout(answerMs) }).then(({ ok }) => ok, () => false),
    `the config of ${name} is kept`,
  )
  /** The numbers of each source task, in the order of its partition, as committed readers see them. */
  const counted = async (task: number) => ((await broker.topics.list()).includes(topic) ? (await readTopic(broker, topic)).filter(({ key }) => key === String(task)).map(({ value }) => Number(value)) : [])
  const fencings = async () => (await readTopic(broker, `${cluster}-configs`)).filter(({ key }) => key === 'tasks-fencing-source').map(({ value }) => value)

  it('goes on at another worker when one is killed, and when one is paused, which is a zombie later: without a gap or a repeat, and without a word from a task that there is no more', async () => {
    const workers = [await start(), await start(), await start()]
    const source = {
      'connector.class': 'VerifiableSource', topic, 'tasks.max': '2', 'throughput': '100', 'max.records': String(last), 'transaction.boundary': 'interval', 'transaction.boundary.interval.ms': '200',
      'topic.creation.default.partitions': '2', 'topic.creation.default.replication.factor': '1',
    }
    await put(workers[1]!, 'source', source)
    await put(workers[1]!, 'sink', { 'connector.class': 'VerifiableSink', 'topics': topic, 'tasks.max': '2' })
    const runnerOf = async (task: number, observer: Worker) => {
      const found = (await observer.status('source')).tasks?.find(({ id }) => id === task)
      return found?.state === 'RUNNING' ? workers.find(({ host }) => host === found.worker_id) : undefined
    }
    await until(async () => (await counted(0)).length > 10 && (await counted(1)).length > 10, 'both tasks count')

    const killed = (await runnerOf(0, workers[0]!))!
    killed.worker.kill('SIGKILL')
    await killed.worker.ended
    const left = workers.filter((each) => each !== killed)
    await until(async () => [await runnerOf(0, left[0]!), await runnerOf(1, left[0]!)].every((each) => each !== undefined && each !== killed), 'other workers have the tasks')

    const paused = (await runnerOf(1, left[0]!))!
    const survivor = left.find((each) => each !== paused)!
    paused.worker.kill('SIGSTOP')
    await put(survivor, 'source', { ...source, 'tasks.max': '1' })
    await until(async () => (await fencings()).at(-1) === '{"task-count":1}' && await runnerOf(0, survivor) === survivor, 'the plan of one task runs')
    const ofTheOther = await counted(1)
    // it still thinks that the task is its own
    paused.worker.kill('SIGCONT')
    await until(async () => !(await paused.text('/metrics')).includes('connector="source",task="1"'), 'the one that was paused lets the task go')
    await until(async () => (await counted(0)).length >= last, 'all is counted')

    const ends = await broker.topics.listOffsets([0, 1].map((partition) => ({ topic, partition, at: 'latest' as const })), { isolation: 'read-committed' })
    await until(async () => {
      const { offsets } = await survivor.get<{ readonly offsets: readonly { readonly partition: { readonly kafka_partition: number }; readonly offset: { readonly kafka_offset: number } }[] }>('/connectors/sink/offsets')
      return ends.every((end) => end.offset === 0 || offsets.some((each) => each.partition.kafka_partition === end.partition && each.offset.kafka_offset >= end.offset))
    }, 'the sink has taken everything')
    expect((await survivor.status('sink')).tasks!.map(({ state }) => state)).toEqual(['RUNNING', 'RUNNING'])
    for (const each of [survivor, paused]) expect((await each.text('/metrics')).match(/^millrace_connector_verified_gaps\{.*\} [^0]/m)).toBeNull()
    for (const each of [paused, survivor]) {
      each.worker.kill('SIGTERM')
      expect(await each.worker.ended).toMatchObject({ code: 0 })
    }
    expect(await counted(0)).toEqual(Array.from({ length: last }, (_, index) => index))
    expect(await counted(1)).toEqual(ofTheOther)
    expect(ofTheOther).toEqual(ofTheOther.map((_, index) => index))
  }, 500_000)
})
