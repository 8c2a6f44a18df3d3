/** For connect.test.ts: a log whose calls fail, workers that freeze and die, and connectors that number their records and go wrong in every method. */
import { StreamError, isStreamError, openEmbeddedBroker, randomInteger, seededRandom, sleep, systemClock } from '../../src/core/index.ts'
import type { Broker, GroupMember, Producer, Random, Reader } from '../../src/core/index.ts'
import { ConnectWorker, configSpec, connectorError, openDistributedWorker, option, retriableError } from '../../src/connect/index.ts'
import type { AnyPlugin, ConnectorContext, SinkPlugin, SinkRecord, SourcePlugin, SourceTask, TransformPlugin } from '../../src/connect/index.ts'
import type { Herder } from '../../src/connect/runtime/herder/herder.ts'
import { memoryLog } from '../connect/runtime/connect-kit.ts'
import { ManualClock } from '../kit/manual-clock.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'
import { withMethods } from '../kit/with-methods.ts'

/** Source partitions of each source, however many tasks share them. */
export const parts = 3
/** A record whose number it divides is refused by the transform of sinks. */
export const pickedOn = 7
/** A record whose number it divides is no JSON. */
export const brokenOn = 5

export class World {
  readonly random: Random
  readonly clock = new ManualClock()
  readonly isCluster: boolean
  readonly isExactlyOnce: boolean
  /** Whether anything goes wrong. */
  isCalm = false
  /** Sources give nothing more. */
  isDry = false
  broker!: Broker
  readonly log = memoryLog()
  readonly workers: Workplace[] = []
  /** Those that were killed. */
  readonly dead: Workplace[] = []
  /** What is open on the log, by kind. */
  readonly open = new Map<string, number>()
  /** What each sink made durable, as topic:partition:offset, and how often. */
  readonly kept = new Map<string, Map<string, number>>()
  readonly #held: (() => void)[] = []

  constructor(seed: number) {
    this.random = seededRandom(seed)
    this.isCluster = this.roll(3) > 0
    this.isExactlyOnce = this.roll(3) > 0
  }

  async start(): Promise<void> {
    this.broker = await openEmbeddedBroker({ directory: '/data', fileSystem: new MemoryFileSystem(), clock: this.clock, random: seededRandom(this.roll(1000)) })
    const workers = this.isCluster ? 1 + this.roll(3) : 1
    for (let index = 0; index < workers; index++) await this.addWorker()
  }

  /** Again and again, as whoever runs a process that ends. */
  async addWorker(): Promise<void> {
    for (;;) {
      try {
        this.workers.push(await this.driving(Workplace.open(this), 'a worker opens'))
        return
      } catch (error) {
        if (!isStreamError(error)) throw error
      }
    }
  }

  kill(workplace: Workplace): void {
    this.workers.splice(this.workers.indexOf(workplace), 1)
    this.dead.push(workplace)
    workplace.die()
  }

  roll(sides: number): number {
    return randomInteger(this.random, sides)
  }

  /** One in `sides` calls goes wrong. */
  isFault(sides: number): boolean {
    return !this.isCalm && this.roll(sides) === 0
  }

  letGo(): void {
    for (const resolve of this.#held.splice(0)) resolve()
  }

  /** What a method of a plugin does before its work. */
  async trouble(method: string, sides: number): Promise<void> {
    if (!this.isFault(sides)) return
    const kind = this.roll(4)
    if (kind === 0) throw connectorError(`${method} does not work today`)
    if (kind === 1) throw retriableError(`${method} may work later`)
    if (kind === 2) return sleep(this.clock, this.roll(20_000))
    return new Promise((resolve) => { this.#held.push(resolve) })
  }

  /** Lets time pass; what goes through sockets gets real time, too. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 50) {
      await this.clock.advance(50)
      await (this.isCluster ? sleep(systemClock, 0) : new Promise(setImmediate))
    }
  }

  /** Lets time pass until it is done. */
  async driving<T>(done: Promise<T>, what: string, limitMs = 300_000): Promise<T> {
    let isDone = false
    const settled = done.finally(() => { isDone = true })
    settled.catch(() => {})
    for (let passed = 0; !isDone; passed += 50) {
      if (passed > limitMs) throw new Error(`hangs: ${what}`)
      await this.pass(50)
    }
    return settled
  }

  async until(condition: () => boolean | Promise<boolean>, what: string, limitMs = 300_000): Promise<void> {
    for (let passed = 0; !(await this.driving(Promise.resolve(condition()), what)); passed += 200) {
      if (passed > limitMs) throw new Error(`never happened: ${what}`)
      await this.pass(200)
    }
  }
}

const away = (what: string) => new StreamError('BACKEND_UNAVAILABLE', `${what} does not answer`, { retriable: true })

// ---------------------------------------------------------------------------------------------------- workers

/** A worker, and what stands between it and the log. */
export class Workplace {
  readonly #world: World
  readonly herder: Herder
  readonly stop: () => Promise<void>
  #thawed: Promise<void> | null = null
  #isDead = false
  readonly #death = new AbortController()
  thaw: () => void = () => undefined

  private constructor(world: World, worker: { readonly herder: Herder; stop(): Promise<void> }) {
    this.#world = world
    this.herder = worker.herder
    this.stop = () => worker.stop()
  }

  static async open(world: World): Promise<Workplace> {
    const gate: { workplace?: Workplace } = {}
    const broker = faultyBroker(world, world.broker, async () => gate.workplace?.isThawed())
    const options = { broker, clock: world.clock, random: seededRandom(world.roll(1_000_000)), log: world.log, plugins: plugins(world), config: workerConfig(world) }
    gate.workplace = new Workplace(world, world.isCluster ? await openDistributedWorker(options) : ConnectWorker.open(options))
    return gate.workplace
  }

  get isFrozen(): boolean {
    return this.#thawed !== null
  }

  async isThawed(): Promise<void> {
    await this.#thawed
    if (this.#isDead) throw new StreamError('CLOSED', 'this process is dead')
  }

  /** Who asked a worker that dies learns that it is gone, and not what came of it. */
  ask<T>(request: (herder: Herder) => Promise<T>): Promise<T> {
    const { signal } = this.#death
    return new Promise((resolve, reject) => {
      const gone = () => reject(away('the worker'))
      signal.addEventListener('abort', gone, { once: true })
      request(this.herder).then(resolve, reject).finally(() => signal.removeEventListener('abort', gone))
    })
  }

  /** As a machine that is gone: nobody hears of it any more. */
  die(): void {
    this.#isDead = true
    this.#death.abort()
    // what was frozen before stays so
    this.#thawed ??= new Promise((resolve) => { this.thaw = resolve })
  }

  /** At the end of the experiment, so that nothing of it stays open. */
  async bury(): Promise<void> {
    const stopped = this.stop()
    this.thaw()
    await stopped
  }

  /** Stands still at its next call of the log, as a process that is stopped. */
  freeze(): void {
    this.#thawed ??= new Promise((resolve) => {
      this.thaw = () => {
        this.#thawed = null
        resolve()
      }
    })
    this.#world.clock.setTimer(this.#world.roll(40_000), () => { if (!this.#isDead) this.thaw() })
  }
}

function workerConfig(world: World): Record<string, string> {
  return {
    'listeners': 'http://127.0.0.1:0', 'task.host': 'in-process', 'value.converter': 'StringConverter', 'exactly.once.source.support': world.isExactlyOnce ? 'enabled' : 'disabled',
    'offset.flush.interval.ms': String(50 + world.roll(3000)), 'task.shutdown.graceful.timeout.ms': String(200 + world.roll(5000)), 'heartbeat.interval.ms': '500', 'session.timeout.ms': '6000',
    'scheduled.rebalance.max.delay.ms': String(world.roll(2) * world.roll(10_000)), 'restart.backoff.ms': '200', 'restart.backoff.max.ms': '2000', 'restart.max.attempts': '-1',
    'consumer.max.poll.records': String(1 + world.roll(30)),
  }
}

function faultyBroker(world: World, broker: Broker, thawed: () => Promise<void>): Broker {
  const passing = async (what: string, sides: number) => {
    await thawed()
    if (world.isFault(sides)) throw away(what)
  }
  const opened = <T extends Producer | Reader>(kind: string, it: T, faults: Partial<T>): T => {
    world.open.set(kind, (world.open.get(kind) ?? 0) + 1)
    let isOpen = true
    const close = async () => {
      if (isOpen) world.open.set(kind, world.open.get(kind)! - 1)
      isOpen = false
      await it.close()
    }
    return withMethods(it, { ...faults, close } as Partial<T>)
  }
  const faultyProducer = (producer: Producer) => opened<Producer>('producer', producer, {
    append: async (record) => { await passing('the log', 400); return producer.append(record) },
    appendBatch: async (target, batch) => { await passing('the log', 400); return producer.appendBatch(target, batch) },
    commit: async (offsets) => { await passing('the coordinator', 100); return producer.commit(offsets) },
  })
  const faultyMember = (member: GroupMember) => withMethods(member, {
    read: async (options) => { await passing('the log', 300); return member.read(options) },
    commit: async (offsets) => { await passing('the coordinator', 60); return member.commit(offsets) },
    committed: async (asked) => { await passing('the coordinator', 60); return member.committed(asked) },
  })
  return withMethods(broker, {
    openProducer: async (options) => { await passing('the coordinator', 60); return faultyProducer(await broker.openProducer(options)) },
    openReader: async (options) => {
      await passing('the log', 100)
      const reader = await broker.openReader(options)
      return opened<Reader>('reader', reader, { read: async (asked) => { await passing('the log', 400); return reader.read(asked) } })
    },
    joinGroup: async (options) => { await passing('the coordinator', 60); return faultyMember(await broker.joinGroup(options)) },
    topics: withMethods(broker.topics, {
      listOffsets: async (...asked) => { await passing('the log', 150); return broker.topics.listOffsets(...asked) },
      describe: async (...asked) => { await passing('the log', 150); return broker.topics.describe(...asked) },
    }),
  })
}

// ---------------------------------------------------------------------------------------------------- plugins

const sourceSpec = configSpec({ topic: option.string({ doc: 'Where to write.' }), variant: option.string({ doc: 'Changes nothing.', default: '' }), parts: option.list({ doc: 'Of this task.', default: [] }) })
const sinkSpec = configSpec({ variant: option.string({ doc: 'Changes nothing.', default: '' }) })

function plugins(world: World): readonly AnyPlugin[] {
  return [numbers(world), keeper(world), picky]
}

function connectorMethods(world: World, taskConfigs: (max: number) => readonly Record<string, string>[]) {
  return {
    start: async (_config: unknown, context: ConnectorContext) => {
      await world.trouble('connector.start', 12)
      if (world.isFault(3)) world.clock.setTimer(world.roll(5000), () => context.requestTaskReconfiguration())
    },
    taskConfigs: async (max: number) => {
      await world.trouble('connector.taskConfigs', 12)
      return taskConfigs(max)
    },
    stop: () => world.trouble('connector.stop', 8),
    alterOffsets: async () => {
      await world.trouble('connector.alterOffsets', 6)
      return true
    },
  }
}

/** Each part counts 1, 2, 3 … */
function numbers(world: World): SourcePlugin {
  return {
    type: 'source', class: 'test.Numbers', version: '1', config: sourceSpec,
    createConnector: () => ({
      ...connectorMethods(world, (max) => Array.from({ length: Math.min(max, parts) }, (_, task) => ({ parts: Array.from({ length: parts }, (__, part) => part).filter((part) => part % Math.min(max, parts) === task).join() }))),
      supportsExactlyOnce: () => true,
    }),
    createTask: () => {
      const next = new Map<string, number>()
      let topic = ''
      return {
        start: async (config, context) => {
          await world.trouble('task.start', 12)
          const { topic: to, parts: own } = config as { readonly topic: string; readonly parts: readonly string[] }
          topic = to
          const offsets = await context.offsets(own.map((part) => ({ part })))
          own.forEach((part, index) => next.set(part, ((offsets[index]?.['position'] as number | undefined) ?? 0) + 1))
        },
        poll: async (signal) => {
          await sleep(world.clock, 20 + world.roll(300), signal)
          await world.trouble('task.poll', 60)
          if (world.isDry) return null
          return [...next.keys()].flatMap((part) => Array.from({ length: world.roll(4) }, () => {
            const position = next.get(part)!
            next.set(part, position + 1)
            const text = `${part}:${position}`
            return { topic, key: part, value: position % brokenOn === 0 ? text : JSON.stringify(text), sourcePartition: { part }, sourceOffset: { position } }
          }))
        },
        commit: () => world.trouble('task.commit', 40),
        stop: () => world.trouble('task.stop', 8),
      } satisfies SourceTask
    },
  }
}

/** Buffers in `put`, and keeps in `flush`. */
function keeper(world: World): SinkPlugin {
  return {
    type: 'sink', class: 'test.Keeper', version: '1', config: sinkSpec,
    createConnector: () => connectorMethods(world, (max) => Array.from({ length: max }, () => ({}))),
    createTask: () => {
      let buffer: SinkRecord[] = []
      let kept!: Map<string, number>
      return {
        start: async (_config, { connectorName }) => {
          await world.trouble('task.start', 12)
          kept = world.kept.get(connectorName) ?? new Map<string, number>()
          world.kept.set(connectorName, kept)
        },
        open: () => world.trouble('task.open', 20),
        put: async (records) => {
          await world.trouble('task.put', 60)
          buffer.push(...records)
        },
        flush: async () => {
          await world.trouble('task.flush', 30)
          for (const { originalTopic, originalPartition, originalOffset } of buffer) {
            const place = `${originalTopic}:${originalPartition}:${originalOffset}`
            kept.set(place, (kept.get(place) ?? 0) + 1)
          }
          buffer = []
        },
        close: async (partitions) => {
          await world.trouble('task.close', 20)
          buffer = buffer.filter(({ originalTopic, originalPartition }) => !partitions.some(({ topic, partition }) => topic === originalTopic && partition === originalPartition))
        },
        stop: () => world.trouble('task.stop', 8),
      }
    },
  }
}

/** In the value of a record, which may be JSON. */
export function numberOf(value: string): number {
  return Number(value.replaceAll('"', '').split(':')[1])
}

const picky: TransformPlugin = {
  type: 'transformation', class: 'test.Picky', version: '1', config: configSpec({}),
  create: () => ({
    apply: (record) => {
      if (numberOf(String(record.value)) % pickedOn === 0) throw new Error('not this one')
      return record
    },
  }),
}
