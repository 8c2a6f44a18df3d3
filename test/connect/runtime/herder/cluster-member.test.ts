import { describe, expect, it } from 'vitest'
import { openDistributedWorker } from '../../../../src/connect/index.ts'
import type { DistributedWorker, RawConfig } from '../../../../src/connect/index.ts'
import type { Broker, Producer, RebalanceEvent } from '../../../../src/core/index.ts'
import { rangeAssignor } from '../../../../src/core/index.ts'
import { freePort } from '../../../kit/free-port.ts'
import { withMethods } from '../../../kit/with-methods.ts'
import { afterTest, FedSource, memoryLog, openBroker, until } from '../connect-kit.ts'

async function openWorker(broker: Broker, config: RawConfig = {}, { log = memoryLog(), plugin = new FedSource().plugin } = {}): Promise<DistributedWorker> {
  let made = 0
  /** Once, for the check of its config. */
  const createConnector = () => {
    if (made++ > 0) throw new Error('it cannot be made')
    return plugin.createConnector()
  }
  const worker = await openDistributedWorker({
    broker, log, plugins: [plugin, { ...plugin, class: 'test.Broken', createConnector }],
    config: { 'listeners': 'http://127.0.0.1:0', 'heartbeat.interval.ms': '100', 'session.timeout.ms': '6000', 'scheduled.rebalance.max.delay.ms': '0', ...config },
  })
  afterTest(() => worker.stop())
  return worker
}

const put = async (worker: DistributedWorker, name: string, className = 'FedSource') =>
  (await fetch(`${worker.url}/connectors/${name}/config`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ 'connector.class': className }) })).status

async function stateOf(worker: DistributedWorker, name: string): Promise<string> {
  const { connector, tasks = [] } = (await (await fetch(`${worker.url}/connectors/${name}/status`)).json()) as { readonly connector?: { readonly state: string }; readonly tasks?: readonly { readonly state: string }[] }
  return `${connector?.state ?? 'none'}${tasks.map(({ state }) => ` ${state}`).join('')}`
}

describe('a worker of a cluster', () => {
  it('leads again after its transactional id was taken from it, and nobody else leads', async () => {
    const broker = await openBroker()
    const worker = await openWorker(broker)
    await until(() => worker.isReady(), 'it leads')
    expect(await put(worker, 'first')).toBe(201)
    await (await broker.openProducer({ transactionalId: 'connect-cluster-connect' })).close()
    await until(async () => [200, 201].includes(await put(worker, 'second')), 'it takes connectors again')
    await until(async () => await stateOf(worker, 'second') === 'RUNNING RUNNING', 'the new one runs')
    await until(async () => await stateOf(worker, 'first') === 'RUNNING RUNNING', 'the first one runs')
  }, 30_000)

  it('does not wait for what a worker of its name was told to let go before it was killed', async () => {
    const broker = await openBroker()
    const port = await freePort()
    const id = `127.0.0.1:${port}`
    await broker.topics.create([{ topic: 'connect-configs-assignment', configs: { 'cleanup.policy': 'compact' } }])
    const producer = await broker.openProducer()
    const assignment = { sequence: 7, generation: 3, leader: 'gone:1', workers: { [id]: { url: `http://${id}`, units: [] }, 'gone:1': { url: 'http://gone:1', units: [] } }, lost: {}, delayUntil: null, isRevoking: true }
    await producer.append({ topic: 'connect-configs-assignment', key: Buffer.from('assignment'), value: Buffer.from(JSON.stringify(assignment)) })
    await producer.close()
    const worker = await openWorker(broker, { listeners: `http://${id}` })
    await until(async () => worker.isReady() && [200, 201].includes(await put(worker, 'first')), 'it leads')
    await until(async () => await stateOf(worker, 'first') === 'RUNNING RUNNING', 'a connector runs')
  }, 30_000)

  it('is stopped while it waits to join: it gives up, and the group does not wait for it', async () => {
    const broker = await openBroker()
    const assignor = { ...rangeAssignor, name: 'millrace-connect' }
    const other = await broker.joinGroup({ groupId: 'connect', topics: ['connect-configs'], assignors: [assignor] })
    const worker = await openWorker(broker)
    await until(async () => (await broker.groups.describe('connect')).state === 'preparing-rebalance', 'it waits for the other worker, which does not read')
    await worker.stop()
    expect((await broker.groups.describe('connect')).members.map(({ memberId }) => memberId)).toEqual([other.memberId])
  }, 30_000)

  it('runs the other connectors when one of them cannot even be made', async () => {
    const broker = await openBroker()
    const worker = await openWorker(broker)
    await until(() => worker.isReady(), 'it leads')
    expect(await put(worker, 'broken', 'Broken')).toBe(201)
    expect(await put(worker, 'whole')).toBe(201)
    await until(async () => await stateOf(worker, 'whole') === 'RUNNING RUNNING', 'the other one runs')
    await until(async () => await stateOf(worker, 'broken') === 'FAILED', 'it has failed')
  }, 30_000)
})

const steps = ['begin', 'append', 'an append that is not sent', 'commit'] as const

/** A log by which a test takes a worker's leadership away, once, at a step of a transaction, and gives it back. */
class Leadership {
  readonly broker: Broker
  /** From then on, the next step of that kind is the one. */
  isArmed = false
  isLost = false
  #rebalanced: ((event: RebalanceEvent) => unknown) | undefined

  constructor(broker: Broker, step: (typeof steps)[number]) {
    this.broker = withMethods(broker, {
      joinGroup: (options) => {
        this.#rebalanced = options.onRebalance
        return broker.joinGroup(options)
      },
      openProducer: async (options) => {
        const producer = await broker.openProducer(options)
        return options?.transactionalId === undefined ? producer : this.#losing(producer, step)
      },
    })
  }

  regain(): void {
    void this.#rebalanced!({ assigned: [{ topic: 'connect-configs', partition: 0 }], revoked: [], lost: [], generation: 1 })
  }

  #losing(producer: Producer, step: (typeof steps)[number]): Producer {
    const at = (reached: typeof step) => {
      if (!this.isArmed || this.isLost || step !== reached) return
      this.isLost = true
      void this.#rebalanced!({ assigned: [], revoked: [{ topic: 'connect-configs', partition: 0 }], lost: [], generation: 1 })
    }
    return withMethods(producer, {
      begin: () => {
        at('begin')
        producer.begin()
      },
      append: (record) => {
        at('append')
        const appended = producer.append(record)
        at('an append that is not sent')
        return appended
      },
      commit: (offsets) => {
        at('commit')
        return producer.commit(offsets)
      },
    })
  }
}

describe('a worker that ceases to lead while it writes what a connector planned', () => {
  it.each(steps)('(at: %s) has it written by the next leader: nothing is wrong with the connector', async (step) => {
    const leadership = new Leadership(await openBroker(), step)
    const { plugin } = new FedSource()
    const log = memoryLog()
    const taskConfigs = () => {
      leadership.isArmed = true
      return [{}]
    }
    const worker = await openWorker(leadership.broker, {}, { log, plugin: { ...plugin, createConnector: () => ({ ...plugin.createConnector(), taskConfigs }) } })
    await until(() => worker.isReady(), 'it leads')
    expect(await put(worker, 'first')).toBe(201)
    await until(() => leadership.isLost, 'it leads no more')
    await until(() => log.lines.some((line) => line.includes('keeping its tasks') && line.includes('nobody leads the cluster now')), 'the connector waits for a leader')
    leadership.regain()
    await until(async () => await stateOf(worker, 'first') === 'RUNNING RUNNING', 'its task runs')
  }, 30_000)
})

describe('a worker that ceases to lead while it opens what a leader writes with', () => {
  it('closes it: nothing of it is open beside that of the next leader', async () => {
    const broker = await openBroker()
    const open: Producer[] = []
    let opened = 0
    let rebalanced: (event: RebalanceEvent) => unknown = () => {}
    const worker = await openWorker(withMethods(broker, {
      joinGroup: (options) => {
        rebalanced = options.onRebalance!
        return broker.joinGroup(options)
      },
      openProducer: async (options) => {
        const producer = await broker.openProducer(options)
        if (options?.transactionalId !== 'connect-cluster-connect') return producer
        const isFirst = opened++ === 0
        open.push(producer)
        if (isFirst) void rebalanced({ assigned: [], revoked: [{ topic: 'connect-configs', partition: 0 }], lost: [], generation: 1 })
        return withMethods(producer, {
          close: () => {
            open.splice(open.indexOf(producer), 1)
            // as another one that leads from now on
            if (isFirst) void rebalanced({ assigned: [{ topic: 'connect-configs', partition: 0 }], revoked: [], lost: [], generation: 2 })
            return producer.close()
          },
        })
      },
    }))
    await until(() => worker.isReady(), 'it leads again')
    expect(await put(worker, 'first')).toBe(201)
    expect(open).toHaveLength(1)
  }, 30_000)
})
