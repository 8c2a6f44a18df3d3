/**
 * People and tools ask several things of one connector at once, of any worker. Whatever the order in which they are done:
 * each answer is one that they can act on, what is asked for last is what is, and nothing hangs or is left behind.
 */
import { describe, expect, it } from 'vitest'
import { configSpec, openDistributedWorker } from '../../../../src/connect/index.ts'
import type { DistributedWorker, SourcePlugin } from '../../../../src/connect/index.ts'
import { workerEndpoints } from '../../../../src/connect/rest/worker-endpoints.ts'
import { randomInteger, seededRandom, sleep, StreamError, systemClock } from '../../../../src/core/index.ts'
import type { Broker, Random, Reader } from '../../../../src/core/index.ts'
import { withMethods } from '../../../kit/with-methods.ts'
import { afterTest, memoryLog, openBroker, readTopic, until } from '../connect-kit.ts'

const seeds = Number(process.env['MILLRACE_HERDER_SEEDS'] ?? 3)
const firstSeed = Number(process.env['MILLRACE_HERDER_SEED'] ?? 1)
const names = ['a', 'b']

/** Counts, slowly, and knows how many of its tasks run. Planning takes a moment, so that there is something to come between. */
function slowPlugin(running: Map<string, number>): SourcePlugin {
  return {
    type: 'source', class: 'test.Slow', version: '1', config: configSpec({}),
    createConnector: () => ({
      start: () => sleep(systemClock, 2),
      taskConfigs: async (max) => {
        await sleep(systemClock, 2)
        return Array.from({ length: max }, (_, task) => ({ part: String(task) }))
      },
      stop: () => {},
      alterOffsets: () => true,
    }),
    createTask: () => {
      let key = ''
      let position = 0
      return {
        start: async (_config, context) => {
          key = `${context.connectorName}-${context.taskId}`
          running.set(key, (running.get(key) ?? 0) + 1)
          const [stored] = await context.offsets([{ part: context.taskId }])
          position = (stored?.['position'] as number | undefined) ?? 0
        },
        poll: async (signal) => {
          await sleep(systemClock, 5, signal)
          return [{ topic: 'slow', value: `${++position}`, sourcePartition: { part: Number(key.split('-')[1]) }, sourceOffset: { position } }]
        },
        stop: () => void running.set(key, running.get(key)! - 1),
      }
    },
  }
}

interface World {
  readonly broker: Broker
  readonly random: Random
  readonly workers: readonly DistributedWorker[]
  readonly running: Map<string, number>
}

async function openWorld(seed: number, workerCount: number): Promise<World> {
  const broker = await openBroker()
  const running = new Map<string, number>()
  const workers: DistributedWorker[] = []
  for (let index = 0; index < workerCount; index++) workers.push(await openWorker(broker, running))
  await until(() => workers.every((worker) => worker.isReady()), 'the workers are ready')
  return { broker, random: seededRandom(seed), workers, running }
}

async function openWorker(broker: Broker, running: Map<string, number>): Promise<DistributedWorker> {
  const worker = await openDistributedWorker({
    broker, log: memoryLog(), plugins: [slowPlugin(running)],
    config: {
      'listeners': 'http://127.0.0.1:0', 'task.host': 'in-process', 'offset.flush.interval.ms': '20', 'heartbeat.interval.ms': '50', 'session.timeout.ms': '6000',
      'scheduled.rebalance.max.delay.ms': '0', 'value.converter': 'StringConverter',
    },
  })
  afterTest(() => worker.stop())
  return worker
}

/** Answers that tell who asked what to do: done, not there, not now. */
const sensible = new Set([200, 201, 202, 204, 400, 404, 409])

async function ask({ random, workers }: World, method: string, path: string, body?: unknown): Promise<number> {
  const { url } = workers[randomInteger(random, workers.length)]!
  const answer = await fetch(`${url}${path}`, { method, ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }) })
  const text = await answer.text()
  expect(sensible, `${method} ${path}: ${answer.status} ${text}`).toContain(answer.status)
  return answer.status
}

const config = (tasks: number) => ({ 'connector.class': 'Slow', 'tasks.max': String(tasks) })

function randomRequest(world: World, name: string): Promise<number> {
  const path = `/connectors/${name}`
  const requests: readonly (() => Promise<number>)[] = [
    () => ask(world, 'POST', '/connectors', { name, config: config(2), ...(randomInteger(world.random, 3) === 0 && { initial_state: 'STOPPED' }) }),
    () => ask(world, 'PUT', `${path}/config`, config(1 + randomInteger(world.random, 3))),
    () => ask(world, 'PATCH', `${path}/config`, { 'tasks.max': String(1 + randomInteger(world.random, 3)) }),
    () => ask(world, 'DELETE', path),
    () => ask(world, 'PUT', `${path}/stop`),
    () => ask(world, 'PUT', `${path}/pause`),
    () => ask(world, 'PUT', `${path}/resume`),
    () => ask(world, 'POST', `${path}/restart?includeTasks=true`),
    () => ask(world, 'POST', `${path}/tasks/0/restart`),
    () => ask(world, 'PATCH', `${path}/offsets`, { offsets: [{ partition: { part: 0 }, offset: { position: 1_000 } }] }),
    () => ask(world, 'DELETE', `${path}/offsets`),
    () => ask(world, 'GET', `${path}/status`),
  ]
  return requests[randomInteger(world.random, requests.length)]!()
}

/** Without these fields while it is not known. */
interface Status {
  readonly connector?: { readonly state: string }
  readonly tasks?: readonly { readonly id: number; readonly state: string }[]
}

async function statusOf({ workers }: World, name: string): Promise<Status> {
  return await (await fetch(`${workers[0]!.url}/connectors/${name}/status`)).json() as Status
}

const tasksRunning = ({ running }: World, name: string) => [...running].filter(([key]) => key.startsWith(`${name}-`)).flatMap(([key, count]) => Array.from({ length: count }, () => key)).toSorted()

/** Whatever was asked before, what is asked now is what becomes. */
async function bringToRest(world: World, name: string): Promise<void> {
  await ask(world, 'PUT', `/connectors/${name}/config`, config(2))
  expect(await ask(world, 'PUT', `/connectors/${name}/stop`)).toBe(204)
  await until(() => tasksRunning(world, name).length === 0, `the tasks of ${name} stop`)
  await until(async () => (await statusOf(world, name)).tasks?.length === 0, `${name} has no tasks any more`)
  await until(async () => (await statusOf(world, name)).connector?.state === 'STOPPED', `${name} is stopped`)
  expect(await ask(world, 'DELETE', `/connectors/${name}/offsets`)).toBe(200)
  await ask(world, 'PUT', `/connectors/${name}/config`, config(3))
  expect(await ask(world, 'PUT', `/connectors/${name}/resume`)).toBe(202)
  await until(() => tasksRunning(world, name).join() === [0, 1, 2].map((task) => `${name}-${task}`).join(), `three tasks of ${name} run, each once`)
  await until(async () => (await statusOf(world, name)).tasks?.map(({ state }) => state).join() === 'RUNNING,RUNNING,RUNNING', `${name} says so`)
  expect(await ask(world, 'DELETE', `/connectors/${name}`)).toBe(204)
  await until(() => tasksRunning(world, name).length === 0, `${name} is gone`)
}

async function simulate(seed: number, workerCount: number): Promise<void> {
  const world = await openWorld(seed, workerCount)
  for (let round = 0; round < 8; round++) {
    const requests = Array.from({ length: 8 }, async () => {
      await sleep(systemClock, randomInteger(world.random, 15))
      return randomRequest(world, names[randomInteger(world.random, names.length)]!)
    })
    await Promise.all(requests)
  }
  await Promise.all(names.map((name) => bringToRest(world, name)))
}

describe('requests for one connector at once', () => {
  it('make it once, and the others are told that it is there', async () => {
    const world = await openWorld(1, 1)
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all(Array.from({ length: 4 }, () => ask(world, 'POST', '/connectors', { name: 'once', config: config(1) })))
      expect(answers.toSorted((a, b) => a - b)).toEqual([201, 409, 409, 409])
      expect(await ask(world, 'DELETE', '/connectors/once')).toBe(204)
    }
  })

  it('lose no change of its config', async () => {
    const world = await openWorld(1, 1)
    await ask(world, 'PUT', '/connectors/patched/config', config(1))
    const keys = Array.from({ length: 6 }, (_, index) => `transforms.t${index}.type`)
    await Promise.all(keys.map((key, index) => ask(world, 'PATCH', '/connectors/patched/config', { [key]: 'org.apache.kafka.connect.transforms.Filter', [`transforms.t${index}.predicate`]: null })))
    const stored = await (await fetch(`${world.workers[0]!.url}/connectors/patched/config`)).json() as Readonly<Record<string, string>>
    expect(Object.keys(stored)).toEqual(expect.arrayContaining(keys))
  })

  it('leave it stopped without tasks, and not there when it was deleted, though it was planning', async () => {
    const world = await openWorld(1, 1)
    for (const waitMs of [0, 1, 2, 3, 4, 5, 6, 8, 10, 12]) {
      expect(await ask(world, 'POST', '/connectors', { name: 'planning', config: config(2) })).toBe(201)
      await sleep(systemClock, waitMs)
      expect(await ask(world, 'PUT', '/connectors/planning/stop')).toBe(204)
      expect(await ask(world, 'DELETE', '/connectors/planning/offsets'), `stopped after ${waitMs} ms`).toBe(200)
      const [, removed] = await Promise.all([ask(world, 'PUT', '/connectors/planning/stop'), ask(world, 'DELETE', '/connectors/planning')])
      expect(removed).toBe(204)
      expect(await ask(world, 'POST', '/connectors', { name: 'planning', config: config(1) })).toBe(201)
      await until(async () => (await statusOf(world, 'planning')).tasks?.map(({ state }) => state).join() === 'RUNNING', `it runs, made anew after ${waitMs} ms`)
      expect(await ask(world, 'DELETE', '/connectors/planning')).toBe(204)
    }
  }, 60_000)

  it('that is removed and made anew do not leave it without a status when the worker that forgets the first one is late', async () => {
    const world = await openWorld(1, 2)
    const producer = await world.broker.openProducer()
    const forget = (...keys: readonly string[]) => Promise.all(keys.map((key) => producer.append({ topic: 'connect-status', key: Buffer.from(key), value: null })))
    await ask(world, 'PUT', '/connectors/anew/config', config(2))
    const is = async (connector: string, tasks: string) => {
      const status = await statusOf(world, 'anew')
      return status.connector?.state === connector && status.tasks?.map(({ state }) => state).join() === tasks
    }
    await until(() => is('RUNNING', 'RUNNING,RUNNING'), 'it runs')
    const isTold = async (...keys: readonly string[]) => (await Promise.all(keys.map((key) => lastTold(world.broker, key)))).every((each) => each !== null)
    await forget('status-connector-anew', 'status-task-anew-0', 'status-task-anew-1')
    await until(() => isTold('status-connector-anew', 'status-task-anew-0', 'status-task-anew-1'), 'it is told again')
    await until(() => is('RUNNING', 'RUNNING,RUNNING'), 'its status is known again')
    await ask(world, 'PUT', '/connectors/anew/stop')
    await until(() => is('STOPPED', ''), 'it is stopped')
    await forget('status-connector-anew')
    await until(() => isTold('status-connector-anew'), 'it is told again')
    await until(() => is('STOPPED', ''), 'its status is known again')
  }, 60_000)

  it.each(Array.from({ length: seeds }, (_, index) => firstSeed + index))('in random order leave nothing behind (seed %i)', async (seed) => {
    await simulate(seed, 1 + seed % 2)
  }, 60_000)
})

/** What the status topic says of a connector or a task in the end; undefined: nothing. */
async function lastTold(broker: Broker, key: string): Promise<{ readonly state: string; readonly worker_id: string; readonly generation: number } | null | undefined> {
  const record = (await readTopic(broker, 'connect-status')).findLast((each) => each.key === key)
  return record === undefined ? undefined : JSON.parse(record.value ?? 'null') as Awaited<ReturnType<typeof lastTold>>
}

/** A log that takes no record with one of the keys that `refuses` answers true for. */
function refusing(broker: Broker, refuses: (key: string) => boolean): Broker {
  return appending(broker, (key) => {
    if (refuses(key)) throw new StreamError('BACKEND_UNAVAILABLE', 'the log does not answer', { retriable: true })
  })
}

/** A log that asks a test before it takes a record. */
function appending(broker: Broker, before: (key: string, isTombstone: boolean) => Promise<void> | void): Broker {
  return withMethods(broker, {
    openProducer: async (options) => {
      const producer = await broker.openProducer(options)
      return withMethods(producer, {
        append: async (record) => {
          await before(Buffer.from(record.key ?? []).toString(), record.value === null)
          return producer.append(record)
        },
      })
    },
  })
}

describe('a stop of which a part cannot be written', () => {
  it('leaves the connector with its tasks', async () => {
    let isAway = false
    const { herder } = await openWorker(refusing(await openBroker(), (key) => isAway && key === 'target-state-a'), new Map())
    await until(() => herder.create({ name: 'a', config: { 'connector.class': 'Slow' } }).then(() => true, () => false), 'it is made')
    const runs = async () => (await herder.status('a').catch(() => undefined))?.tasks[0]?.state === 'RUNNING'
    await until(runs, 'its task runs')
    isAway = true
    await expect(herder.setTarget('a', 'STOPPED')).rejects.toThrow('the log does not answer')
    isAway = false
    expect(herder.tasks('a')).toHaveLength(1)
    expect(await runs()).toBe(true)
  })
})

describe('a connector that ends and begins between two looks', () => {
  const ends: Readonly<Record<string, readonly (readonly [string, string | null])[]>> = {
    'was stopped and started': [['commit-a', '{"tasks":0}'], ['target-state-a', '{"state":"STOPPED"}'], ['target-state-a', '{"state":"STARTED"}']],
    'was removed and made anew': [['connector-a', null], ['target-state-a', null], ['connector-a', '{"properties":{"connector.class":"Slow","tasks.max":"1","name":"a"}}']],
  }

  it.each(Object.entries(ends))('%s: it plans its tasks again', async (_what, records) => {
    const broker = await openBroker()
    const { herder } = await openWorker(broker, new Map())
    await until(() => herder.create({ name: 'a', config: config(1) }).then(() => true, () => false), 'it is made')
    const runs = async () => (await herder.status('a').catch(() => undefined))?.tasks.map(({ state }) => state).join() === 'RUNNING'
    await until(runs, 'its task runs')
    const plans = async () => (await readTopic(broker, 'connect-configs')).filter(({ key, value }) => key === 'commit-a' && value === '{"tasks":1}').length
    const planned = await plans()
    const producer = await broker.openProducer()
    // In one batch, which is read at once.
    await Promise.all(records.map(([key, value]) => producer.append({ topic: 'connect-configs', key: Buffer.from(key), value: value === null ? null : Buffer.from(value) })))
    await until(async () => await plans() > planned, 'it has planned again')
    await until(async () => herder.tasks('a').length === 1 && await runs(), 'it has its task again')
  })
})

describe('a plan that another worker sends to the leader', () => {
  it('is kept, though the leader has not read yet that the connector is started again', async () => {
    const broker = await openBroker()
    let letGo = () => {}
    let held: Promise<void> | undefined
    let behind: ReturnType<Reader['positions']> | undefined
    const { herder } = await openWorker(withMethods(broker, {
      openReader: async (options) => {
        const reader = await broker.openReader(options)
        if (options?.clientId !== 'connect-connect-configs') return reader
        return withMethods(reader, {
          read: async (asked) => {
            const before = reader.positions()
            const answer = await reader.read(asked)
            if (held !== undefined) behind = before
            await held
            behind = undefined
            return answer
          },
          positions: () => behind ?? reader.positions(),
        })
      },
    }), new Map())
    await until(() => herder.create({ name: 'a', config: config(1) }).then(() => true, () => false), 'it is made')
    await until(() => herder.tasks('a').length === 1, 'it has planned')
    await herder.setTarget('a', 'STOPPED')
    held = new Promise((resolve) => { letGo = resolve })
    await (await broker.openProducer()).append({ topic: 'connect-configs', key: Buffer.from('target-state-a'), value: Buffer.from('{"state":"STARTED","state.v2":"STARTED"}') })
    const kept = herder.putTasks('a', [{ part: '0' }, { part: '1' }])
    await Promise.race([kept, sleep(systemClock, 100)])
    letGo()
    await kept
    expect((await readTopic(broker, 'connect-configs')).filter(({ key }) => key === 'commit-a').map(({ value }) => value)).toContain('{"tasks":2}')
  })
})

describe('a status that cannot be written', () => {
  it('is told again, though nothing changes', async () => {
    let isAway = false
    let refused = 0
    const { herder } = await openWorker(refusing(await openBroker(), (key) => isAway && key === 'status-task-a-0' && ++refused > 0), new Map())
    await until(() => herder.create({ name: 'a', config: { 'connector.class': 'Slow' } }).then(() => true, () => false), 'it is made')
    const shows = async (state: string) => (await herder.status('a').catch(() => undefined))?.tasks[0]?.state === state
    await until(() => shows('RUNNING'), 'its task runs')
    isAway = true
    await herder.setTarget('a', 'PAUSED')
    await until(() => refused > 1, 'its pause is told, and told again')
    isAway = false
    await until(() => shows('PAUSED'), 'its pause is shown')
  })
})

describe('a status that cannot be forgotten', () => {
  it('is forgotten later, and its connector is removed all the same', async () => {
    let refused = 0
    const { herder } = await openWorker(appending(await openBroker(), (key, isTombstone) => {
      if (key === 'status-connector-a' && isTombstone && ++refused <= 2) throw new StreamError('BACKEND_UNAVAILABLE', 'the log does not answer', { retriable: true })
    }), new Map())
    await until(() => herder.create({ name: 'a', config: config(1) }).then(() => true, () => false), 'it is made')
    await until(async () => (await herder.status('a').catch(() => undefined))?.tasks[0]?.state === 'RUNNING', 'its task runs')
    await herder.remove('a')
    expect(herder.names()).toEqual([])
    await until(() => herder.status('a').then(() => false, () => true), 'nobody has a status of it')
    expect(refused).toBeGreaterThan(2)
  })
})

describe('a status of a connector that was removed while the worker that ran it was gone', () => {
  it('is forgotten by the leader', async () => {
    const world = await openWorld(1, 1)
    const keys = ['status-connector-gone', 'status-task-gone-0']
    const producer = await world.broker.openProducer()
    await Promise.all(keys.map((key) => producer.append({ topic: 'connect-status', key: Buffer.from(key), value: Buffer.from(JSON.stringify({ state: 'RUNNING', trace: null, worker_id: 'other:1', generation: 0, version: null })) })))
    await until(async () => (await statusOf(world, 'gone')).tasks?.length === 1, 'it is known')
    await ask(world, 'PUT', '/connectors/a/config', config(1))
    for (const key of keys) await until(async () => (await lastTold(world.broker, key)) === null, `${key} is forgotten`)
    await until(async () => (await statusOf(world, 'a')).tasks?.[0]?.state === 'RUNNING', 'the other one runs')
  })
})

describe('a status that is told again', () => {
  it('is that of a task, or a connector, of which another worker tells that lost them in a rebalance and does not know it', async () => {
    const world = await openWorld(1, 1)
    await ask(world, 'PUT', '/connectors/a/config', config(1))
    const shown = async () => {
      const { connector, tasks } = await statusOf(world, 'a')
      return [connector?.state, ...(tasks ?? []).map(({ state }) => state)].join()
    }
    await until(async () => (await shown()) === 'RUNNING,RUNNING', 'it runs')
    const keys = ['status-connector-a', 'status-task-a-0']
    const own = await Promise.all(keys.map((key) => lastTold(world.broker, key)))
    // in the same generation of the group the work is divided anew
    await ask(world, 'PUT', '/connectors/b/config', config(1))
    await until(async () => (await statusOf(world, 'b')).tasks?.[0]?.state === 'RUNNING', 'another one runs')
    const producer = await world.broker.openProducer()
    await Promise.all(keys.map((key, index) => producer.append({ topic: 'connect-status', key: Buffer.from(key), value: Buffer.from(JSON.stringify({ state: 'RESTARTING', trace: null, worker_id: 'other:1', generation: own[index]!.generation, version: null })) })))
    for (const [index, key] of keys.entries()) await until(async () => (await lastTold(world.broker, key))?.worker_id === own[index]!.worker_id, 'it is told again')
    await until(async () => (await shown()) === 'RUNNING,RUNNING', 'what it is stands there again')
  })

  it('and written only when its task is no more, is forgotten', async () => {
    const broker = await openBroker()
    const held: (() => void)[] = []
    let holds = false
    const { herder } = await openWorker(appending(broker, (key, isTombstone) => {
      if (holds && key === 'status-task-a-0' && !isTombstone) return new Promise((resolve) => { held.push(resolve) })
    }), new Map())
    await until(() => herder.create({ name: 'a', config: { 'connector.class': 'Slow' } }).then(() => true, () => false), 'it is made')
    const shown = async () => (await herder.status('a').catch(() => undefined))?.tasks.map(({ state }) => state)
    await until(async () => (await shown())?.join() === 'RUNNING', 'its task runs')
    holds = true
    const producer = await broker.openProducer()
    await producer.append({ topic: 'connect-status', key: Buffer.from('status-task-a-0'), value: null })
    await until(() => held.length > 0, 'its status is told again')
    await herder.setTarget('a', 'STOPPED')
    await until(async () => (await shown())?.length === 0, 'it has no tasks')
    holds = false
    const told = async () => (await readTopic(broker, 'connect-status')).filter(({ key }) => key === 'status-task-a-0').map(({ value }) => value)
    const tombstone = (await told()).lastIndexOf(null)
    for (const letGo of held.splice(0)) letGo()
    await until(async () => (await told()).slice(tombstone).some((value) => value !== null), 'it is written')
    await until(async () => (await told()).at(-1) === null, 'it is forgotten')
    await until(async () => (await shown())?.length === 0, 'nobody has it')
  })
})

describe('a worker whose log takes records and gives none', () => {
  it('is not healthy, and stops all the same, though it waits to read what it wrote', async () => {
    const broker = await openBroker()
    let isAway = false
    const worker = await openWorker(withMethods(broker, {
      openReader: async (options) => {
        const reader = await broker.openReader(options)
        return withMethods(reader, {
          read: async (asked) => {
            if (isAway && options?.clientId === 'connect-connect-status') throw new StreamError('BACKEND_UNAVAILABLE', 'the log does not answer', { retriable: true })
            return reader.read(asked)
          },
        })
      },
    }), new Map())
    const { herder } = worker
    await until(() => herder.create({ name: 'a', config: config(2) }).then(() => true, () => false), 'it is made')
    await until(async () => (await herder.status('a').catch(() => undefined))?.tasks.map(({ state }) => state).join() === 'RUNNING,RUNNING', 'its tasks run')
    isAway = true
    await herder.patch('a', { 'tasks.max': '1' })
    await until(() => herder.tasks('a').length === 1, 'one of its tasks is no more')
    await until(async () => (await lastTold(broker, 'status-task-a-1')) === null, 'its status is forgotten, which the worker waits to read')
    const busyMs = herder.busyMs
    expect(busyMs).toBeGreaterThan(0)
    await until(() => herder.busyMs > busyMs, 'it goes on waiting')
    const [endpoint] = workerEndpoints({ version: '1', broker, clock: systemClock, isReady: () => true, busyMs: () => herder.busyMs + 80_000, gracefulMs: 5_000 }).filter(({ path }) => path === '/health')
    expect(await endpoint!.handle({} as never)).toMatchObject({ status: 500, body: { status: 'unhealthy', message: expect.stringMatching(/starting and stopping connectors and tasks for \d+ s/) as string } })
    await worker.stop()
  }, 60_000)
})
