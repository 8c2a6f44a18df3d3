import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openDistributedWorker } from '../../../src/connect/index.ts'
import type { DistributedWorker, RawConfig } from '../../../src/connect/index.ts'
import { askPeer } from '../../../src/connect/runtime/herder/peer-request.ts'
import { newSessionKey, sign } from '../../../src/connect/runtime/herder/session-key.ts'
import { configSpec } from '../../../src/connect/index.ts'
import type { SourcePlugin } from '../../../src/connect/index.ts'
import { sleep, systemClock } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { afterTest, FedSource, memoryLog, openBroker, readTopic, temporaryDirectory, until } from './connect-kit.ts'

/** Plans as many tasks as it may; each counts as a source partition of its own, slowly. */
function countingPlugin(): SourcePlugin {
  return {
    type: 'source', class: 'test.Counting', version: '1', config: configSpec({}),
    createConnector: () => ({ start: () => {}, taskConfigs: (max) => Array.from({ length: max }, (_, task) => ({ part: String(task) })), stop: () => {} }),
    createTask: () => {
      let [part, position] = [0, 0]
      return {
        start: async (_config, context) => {
          part = context.taskId
          const [stored] = await context.offsets([{ part }])
          position = (stored?.['position'] as number | undefined) ?? 0
        },
        poll: async (signal) => {
          await sleep(systemClock, 20, signal)
          position++
          return [{ topic: 'counted', value: `${part}:${position}`, sourcePartition: { part }, sourceOffset: { position } }]
        },
        stop: () => {},
      }
    },
  }
}

/** As many tasks as it may; each counts, and hangs in its next poll, whatever it is told, once it shall; then it gives one record more. */
function hangingPlugin() {
  const counting = countingPlugin()
  const state = { hangs: false, hanging: 0, ended: 0, release: () => {} }
  const released = new Promise<void>((resolve) => { state.release = resolve })
  const plugin: SourcePlugin = {
    ...counting, class: 'test.Hanging',
    createTask: () => {
      const task = counting.createTask()
      let part = 0
      let isLate = false
      return {
        ...task,
        start: (config, context) => {
          part = context.taskId
          return task.start(config, context)
        },
        poll: async (signal) => {
          if (!state.hangs || part === 0) return task.poll(signal)
          state.hanging++
          isLate = true
          await released
          return [{ topic: 'counted', value: `zombie ${part}`, sourcePartition: { part }, sourceOffset: { position: 1_000_000 } }]
        },
        stop: () => { if (isLate) state.ended++ },
      }
    },
  }
  return { plugin, state }
}

async function openWorker(broker: Broker, config: RawConfig = {}, plugins: readonly SourcePlugin[] = [countingPlugin()]): Promise<DistributedWorker> {
  const worker = await openDistributedWorker({
    broker, log: memoryLog(), plugins,
    config: { 'listeners': 'http://127.0.0.1:0', 'offset.flush.interval.ms': '50', 'heartbeat.interval.ms': '100', 'session.timeout.ms': '6000', 'scheduled.rebalance.max.delay.ms': '0', 'value.converter': 'StringConverter', ...config },
  })
  afterTest(() => worker.stop())
  return worker
}

const send = (worker: DistributedWorker, method: string, path: string, body?: unknown) =>
  fetch(`${worker.url}${path}`, { method, ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }) })

async function get(worker: DistributedWorker, path: string): Promise<unknown> {
  return (await send(worker, 'GET', path)).json()
}

interface Status {
  readonly tasks?: readonly { readonly state: string; readonly worker_id: string }[]
}

const status = async (worker: DistributedWorker) => (await get(worker, '/connectors/count/status')) as Status
const runsEverywhere = async (worker: DistributedWorker, workers: number) => {
  const { tasks = [] } = await status(worker)
  return tasks.length === 6 && tasks.every(({ state }) => state === 'RUNNING') && new Set(tasks.map((task) => task.worker_id)).size === workers
}

async function countedByPart(broker: Broker): Promise<ReadonlyMap<string, readonly number[]>> {
  const byPart = new Map<string, number[]>()
  for (const { value } of await readTopic(broker, 'counted')) {
    const [part, number] = value!.split(':')
    byPart.set(part!, [...(byPart.get(part!) ?? []), Number(number)])
  }
  return byPart
}

/** Each part counted from 1 without a gap; and, where it must be, without a repeat. */
async function expectNoGap(broker: Broker): Promise<void> {
  const byPart = await countedByPart(broker)
  expect(byPart.size).toBe(6)
  for (const [part, numbers] of byPart) expect(numbers, `part ${part}`).toEqual(numbers.map((_, index) => index + 1))
}

const count = { 'connector.class': 'Counting', 'tasks.max': '6' }

describe('a cluster of workers', () => {
  it('shares the tasks with a worker that joins and takes them back when it leaves, without a gap or a repeat', async () => {
    const broker = await openBroker()
    const first = await openWorker(broker)
    await until(() => first.isReady(), 'the first worker leads')
    expect((await send(first, 'PUT', '/connectors/count/config', count)).status).toBe(201)
    await until(() => runsEverywhere(first, 1), 'all tasks run')
    const second = await openWorker(broker)
    const third = await openWorker(broker)
    await until(() => runsEverywhere(first, 3), 'the tasks are on three workers')
    await second.stop()
    await until(() => runsEverywhere(third, 2), 'the tasks are on two workers')
    await first.stop()
    await until(() => runsEverywhere(third, 1), 'the last worker leads and runs everything')
    expect((await send(third, 'PUT', '/connectors/count/stop')).status).toBe(204)
    await until(async () => (await status(third)).tasks?.length === 0, 'the tasks are stopped')
    await expectNoGap(broker)
  }, 60_000)

  it('stops what runs and leaves nothing behind when its log has gone away first', async () => {
    const broker = await openBroker()
    const source = new FedSource()
    const log = memoryLog()
    const worker = await openDistributedWorker({ broker, log, plugins: [source.plugin], config: { 'listeners': 'http://127.0.0.1:0', 'task.host': 'in-process', 'heartbeat.interval.ms': '100', 'session.timeout.ms': '6000' } })
    afterTest(() => worker.stop())
    await until(() => worker.isReady(), 'it leads')
    expect((await send(worker, 'PUT', '/connectors/fed/config', { 'connector.class': 'FedSource' })).status).toBe(201)
    await until(() => source.started.length === 1, 'its task runs')
    await broker.close()
    await worker.stop()
    expect(source.stops).toBe(1)
    await expect(fetch(worker.url)).rejects.toThrow()
  }, 30_000)

  it('passes a request on to the worker that must answer it', async () => {
    const broker = await openBroker()
    const leader = await openWorker(broker)
    await until(() => leader.isReady(), 'the first worker leads')
    const other = await openWorker(broker)
    await until(() => other.isReady(), 'the second worker is there')
    const made = await send(other, 'POST', '/connectors', { name: 'count', config: count })
    expect(made.status).toBe(201)
    expect(made.headers.get('location')).toContain('/connectors/count')
    await until(() => runsEverywhere(other, 2), 'the tasks are on both')
    for (const worker of [leader, other]) {
      for (let task = 0; task < 6; task++) expect((await send(worker, 'POST', `/connectors/count/tasks/${task}/restart`)).status).toBe(204)
      expect((await send(worker, 'POST', '/connectors/count/restart')).status).toBe(204)
      expect((await send(worker, 'POST', '/connectors/count/restart?includeTasks=true')).status).toBe(202)
    }
    expect((await send(other, 'DELETE', '/connectors/count?forward=false')).status).toBe(409)
    expect((await send(other, 'DELETE', '/connectors/count')).status).toBe(204)
    await until(async () => ((await get(other, '/connectors')) as unknown[]).length === 0, 'it is gone')
  }, 60_000)

  it('takes tasks only from workers that know the key of the cluster', async () => {
    const broker = await openBroker()
    const worker = await openWorker(broker)
    await until(() => worker.isReady(), 'the worker leads')
    await send(worker, 'PUT', '/connectors/count/config', count)
    const body = JSON.stringify([{ part: 'forged' }])
    const post = (headers: Readonly<Record<string, string>>) => fetch(`${worker.url}/connectors/count/tasks`, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } })
    expect((await post({})).status).toBe(400)
    expect((await post(sign(newSessionKey(0), body))).status).toBe(403)
  })

  it('shuts out tasks that hang when the plan shrinks: they can commit nothing more', async () => {
    const broker = await openBroker()
    const { plugin, state } = hangingPlugin()
    const worker = await openWorker(broker, { 'task.shutdown.graceful.timeout.ms': '100' }, [plugin])
    await until(() => worker.isReady(), 'the worker leads')
    const config = { ...count, 'connector.class': 'Hanging', 'tasks.max': '3' }
    await send(worker, 'PUT', '/connectors/count/config', config)
    await until(async () => (await broker.topics.list()).includes('counted') && (await countedByPart(broker)).size === 3, 'each task has counted')
    state.hangs = true
    await until(() => state.hanging === 2, 'two tasks hang')
    await send(worker, 'PUT', '/connectors/count/config', { ...config, 'tasks.max': '1' })
    const fencings = async () => (await readTopic(broker, 'connect-configs')).filter(({ key }) => key === 'tasks-fencing-count').map(({ value }) => value)
    await until(async () => (await fencings()).length === 2, 'they are fenced')
    expect(await fencings()).toEqual(['{"task-count":3}', '{"task-count":1}'])
    state.release()
    await until(() => state.ended === 2, 'they have given what they had')
    const before = (await countedByPart(broker)).get('0')!.length
    await until(async () => (await countedByPart(broker)).get('0')!.length > before, 'the task of the new plan counts')
    expect((await readTopic(broker, 'counted')).filter(({ value }) => value!.startsWith('zombie'))).toEqual([])
  }, 60_000)

  it('plans and fences through its leader, also where the REST API asks for a password', async () => {
    const broker = await openBroker()
    const users = join(temporaryDirectory(), 'users')
    writeFileSync(users, 'ada=secret\n')
    const config = { 'rest.basic.auth.file': users }
    const as = (worker: DistributedWorker, method: string, path: string, body?: unknown) => fetch(`${worker.url}${path}`, {
      method, headers: { 'content-type': 'application/json', 'authorization': `Basic ${Buffer.from('ada:secret').toString('base64')}` }, ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const workers = [await openWorker(broker, config), await openWorker(broker, config)]
    for (const worker of workers) await until(() => worker.isReady(), 'the worker is there')
    const runs = async (name: string) => {
      const { connector, tasks = [] } = (await (await as(workers[0]!, 'GET', `/connectors/${name}/status`)).json()) as Status & { readonly connector?: { readonly state: string; readonly worker_id: string } }
      return connector?.state === 'RUNNING' && tasks.length === 2 && tasks.every(({ state }) => state === 'RUNNING') ? [connector, ...tasks] : undefined
    }
    // of two connectors each worker plans one
    for (const name of ['a', 'b']) await as(workers[0]!, 'PUT', `/connectors/${name}/config`, { ...count, 'tasks.max': '2' })
    for (const name of ['a', 'b']) await until(async () => await runs(name) !== undefined, `${name} runs`)
    expect(new Set([...(await runs('a'))!, ...(await runs('b'))!].map((each) => each.worker_id)).size).toBe(2)
    expect((await as(workers[0]!, 'PUT', '/connectors/a/fence')).status).toBe(400)
    expect((await fetch(`${workers[0]!.url}/connectors`)).status).toBe(401)
  }, 60_000)

  it('talks https to the other workers, and trusts whom its config trusts', async () => {
    const broker = await openBroker()
    const folder = temporaryDirectory()
    const [keyFile, certificate, store] = ['key.pem', 'cert.pem', 'store.pem'].map((name) => join(folder, name)) as [string, string, string]
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=worker', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', keyFile, '-out', certificate], { stdio: 'pipe' })
    writeFileSync(store, `${readFileSync(keyFile, 'utf8')}${readFileSync(certificate, 'utf8')}`)
    const config = { 'listeners': 'https://127.0.0.1:0', 'listeners.https.ssl.keystore.type': 'PEM', 'listeners.https.ssl.keystore.location': store, 'listeners.https.ssl.truststore.location': certificate }
    const workers = [await openWorker(broker, config), await openWorker(broker, config)] as const
    for (const worker of workers) await until(() => worker.isReady(), 'the worker is there')
    const ask = (worker: DistributedWorker, method: string, path: string, body?: unknown) =>
      askPeer(new URL(`${worker.url}${path}`), { method, headers: {}, body: body === undefined ? undefined : JSON.stringify(body), signal: AbortSignal.timeout(20_000), tls: () => ({ ca: readFileSync(certificate) }) })
    // one of them passes it on, and of two connectors each worker plans one, which its leader keeps
    for (const name of ['a', 'b']) expect((await ask(workers[1], 'PUT', `/connectors/${name}/config`, { ...count, 'tasks.max': '2' })).status).toBe(201)
    for (const name of ['a', 'b']) {
      await until(async () => {
        const { tasks = [] } = JSON.parse((await ask(workers[0], 'GET', `/connectors/${name}/status`)).text) as Status
        return tasks.length === 2 && tasks.every(({ state }) => state === 'RUNNING')
      }, `${name} runs`)
    }
    await expect(askPeer(new URL(workers[0].url), { method: 'GET', headers: {}, signal: AbortSignal.timeout(20_000), tls: () => ({}) })).rejects.toThrow(/self.signed certificate/)
  }, 60_000)

  it('refuses a sink that would be a member of its own group', async () => {
    const broker = await openBroker()
    const worker = await openWorker(broker, { 'group.id': 'connect-clash' })
    await until(() => worker.isReady(), 'the worker leads')
    const sink = { 'connector.class': 'VerifiableSink', 'topics': 'counted' }
    const refusal = async (name: string, config: RawConfig) => ((await (await send(worker, 'PUT', `/connectors/${name}/config`, config)).json()) as { readonly message?: string }).message
    expect(await refusal('clash', sink)).toContain('Consumer group for sink connector named clash conflicts with Connect worker group connect-clash')
    expect(await refusal('other', { ...sink, 'consumer.override.group.id': 'connect-clash' })).toContain('Consumer group connect-clash conflicts with Connect worker group connect-clash')
    expect(await refusal('clash', { ...sink, 'consumer.override.group.id': 'another' })).toBeUndefined()
  })

  it('goes on with its connectors when it is opened again, and keeps them as Kafka Connect does', async () => {
    const broker = await openBroker()
    await broker.topics.create([{ topic: 'counted' }])
    const first = await openWorker(broker)
    await until(() => first.isReady(), 'the worker leads')
    await send(first, 'PUT', '/connectors/count/config', count)
    await until(() => runsEverywhere(first, 1), 'all tasks run')
    await until(async () => (await countedByPart(broker)).size === 6, 'each task has counted')
    await first.stop()
    expect((await readTopic(broker, 'connect-status')).filter(({ key }) => key === 'status-task-count-0').at(-1)!.value).toContain('"state":"UNASSIGNED"')
    const second = await openWorker(broker)
    await until(() => runsEverywhere(second, 1), 'all tasks run again')
    const configs = await readTopic(broker, 'connect-configs')
    expect(configs.map(({ key }) => key)).toEqual(expect.arrayContaining(['session-key', 'connector-count', 'task-count-0', 'task-count-5', 'commit-count']))
    expect(JSON.parse(configs.find(({ key }) => key === 'task-count-3')!.value!)).toEqual({ properties: { ...count, 'name': 'count', 'part': '3', 'task.class': 'test.CountingTask' } })
    await second.stop()
    await expectNoGap(broker)
  }, 60_000)

  it('refuses a config topic that would lose records or has no order', async () => {
    const broker = await openBroker()
    await broker.topics.create([{ topic: 'two', partitions: 2, configs: { 'cleanup.policy': 'compact' } }, { topic: 'short', configs: { 'cleanup.policy': 'delete' } }])
    await expect(openWorker(broker, { 'config.storage.topic': 'two' })).rejects.toThrow(/has 2 partitions; it must have exactly one/)
    await expect(openWorker(broker, { 'config.storage.topic': 'short' })).rejects.toThrow(/cleanup\.policy=delete/)
  })
})
