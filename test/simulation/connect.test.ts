/**
 * Connect's runtime as a whole, on a log that fails and a clock that the test moves: workers come, go, freeze and die; connectors are made,
 * changed, paused, resumed, stopped, restarted, deleted and made anew, and their offsets are set; plugins throw or hang in each of
 * their methods, and converters refuse records. In random order. Whatever happens: each number of a source is in its topic, once and in order where that is
 * promised; a sink keeps each record or it is a dead letter, and no offset passes what it kept; at rest everything is what was asked
 * for; nothing hangs, and nothing stays open.
 */
import { describe, expect, it } from 'vitest'
import type { NamedConfig } from '../../src/connect/index.ts'
import type { Herder } from '../../src/connect/runtime/herder/herder.ts'
import { NotHere } from '../../src/connect/runtime/herder/refusal.ts'
import { isStreamError } from '../../src/core/index.ts'
import { readTopic } from '../connect/runtime/connect-kit.ts'
import { brokenOn, numberOf, parts, pickedOn, World } from './connect-world.ts'

const seeds = Number(process.env['MILLRACE_CONNECT_SEEDS'] ?? 3)
const firstSeed = Number(process.env['MILLRACE_CONNECT_SEED'] ?? 1)
const sources = ['alpha', 'beta']
const sinks = ['keep', 'hold']
/** The sink that reads JSON. */
const reading = 'hold'

const targets = { STARTED: 'RUNNING', PAUSED: 'PAUSED', STOPPED: 'STOPPED' } as const

/** What was asked for, as far as it is known what came of it. */
interface Wanted {
  /** undefined: not known, since the request failed. */
  target: keyof typeof targets | undefined
  exists: boolean | undefined
}

class Experiment {
  readonly #world: World
  readonly #wanted = new Map<string, Wanted>()
  readonly #pending: Promise<void>[] = []
  /** Positions that were set by hand, in order: of source and part, or of sink, topic and partition. Those of requests that failed may have been. */
  readonly #set = new Map<string, { readonly position: number; readonly isSure: boolean }[]>()

  constructor(world: World) {
    this.#world = world
    for (const name of [...sources, ...sinks]) this.#wanted.set(name, { target: undefined, exists: false })
  }

  #pick<T>(of: readonly T[]): T {
    return of[this.#world.roll(of.length)]!
  }

  #config(name: string): NamedConfig {
    const variant = String(this.#world.roll(3))
    const tasks = String(1 + this.#world.roll(3))
    if (sources.includes(name)) return { name, config: { 'connector.class': 'Numbers', 'topic': `of-${name}`, 'tasks.max': tasks, variant } }
    return {
      name, config: {
        'connector.class': 'Keeper', 'topics.regex': 'of-.*', 'value.converter': name === reading ? 'JsonConverter' : 'StringConverter', 'value.converter.schemas.enable': 'false', 'tasks.max': tasks, variant, 'transforms': 'picky', 'transforms.picky.type': 'Picky',
        'errors.tolerance': 'all', 'errors.deadletterqueue.topic.name': `dead-${name}`, 'errors.deadletterqueue.context.headers.enable': 'true',
      },
    }
  }

  /** Asks one worker after the other, as the REST API passes on what another must do. */
  async #ask<T>(request: (herder: Herder) => Promise<T>): Promise<T> {
    let refusal: unknown = new NotHere('there is no worker', null)
    for (const worker of [...this.#world.workers]) {
      try {
        return await worker.ask(request)
      } catch (error) {
        refusal = error
        if (!(error instanceof NotHere)) throw error
      }
    }
    throw refusal
  }

  /** `done` is what is known when it was answered, `unsure` when it failed. */
  async #request(request: (herder: Herder) => Promise<unknown>, done: () => void, unsure: () => void): Promise<void> {
    try {
      await this.#ask(request)
      done()
    } catch (error) {
      if (!(error instanceof NotHere) && !isStreamError(error)) throw error
      unsure()
    }
  }

  #know(name: string, change: Partial<Wanted>): () => void {
    return () => Object.assign(this.#wanted.get(name)!, change)
  }

  async #step(): Promise<void> {
    const name = this.#pick([...sources, ...sinks])
    const { exists } = this.#wanted.get(name)!
    if (exists !== true) {
      const target = this.#pick(['STARTED', 'STARTED', 'STARTED', 'PAUSED', 'STOPPED'] as const)
      // one of the name may be there, though the request that made it failed
      return this.#request((herder) => herder.create(this.#config(name), target), this.#know(name, { exists: true, target }), this.#know(name, { exists: undefined, target: undefined }))
    }
    const unsure = this.#know(name, { exists: undefined, target: undefined })
    const steps: (() => Promise<void>)[] = [
      () => this.#request((herder) => herder.put(this.#config(name)), () => {}, unsure),
      () => this.#request((herder) => herder.patch(name, { variant: String(this.#world.roll(5)) }), () => {}, unsure),
      () => this.#request((herder) => herder.patch(name, { 'tasks.max': String(1 + this.#world.roll(4)) }), () => {}, unsure),
      ...(['STARTED', 'STARTED', 'PAUSED', 'STOPPED'] as const).map((target) => () => this.#request((herder) => herder.setTarget(name, target), this.#know(name, { target }), unsure)),
      () => this.#request((herder) => herder.restart(name, { includeTasks: this.#world.roll(2) === 0, onlyFailed: this.#world.roll(2) === 0 }), () => {}, () => {}),
      () => this.#request((herder) => herder.restartConnector(name), () => {}, () => {}),
      () => this.#request((herder) => herder.restartTask(name, this.#world.roll(3)), () => {}, () => {}),
      () => this.#request((herder) => herder.remove(name), this.#know(name, { exists: false }), unsure),
      () => this.#setOffsets(name),
      () => this.#setOffsets(name),
    ]
    return this.#pick(steps)()
  }

  async #setOffsets(name: string): Promise<void> {
    await this.#request((herder) => herder.setTarget(name, 'STOPPED'), this.#know(name, { target: 'STOPPED' }), this.#know(name, { exists: undefined, target: undefined }))
    const position = this.#world.roll(20)
    const part = String(this.#world.roll(parts))
    const topic = `of-${this.#pick(sources)}`
    const isSource = sources.includes(name)
    const place = isSource ? `${name}:${part}` : `${name}:${topic}:0`
    const entry = isSource ? { partition: { part }, offset: { position } } : { partition: { kafka_topic: topic, kafka_partition: 0 }, offset: { kafka_offset: position } }
    const remember = (isSure: boolean) => () => { this.#set.set(place, [...(this.#set.get(place) ?? []), { position, isSure }]) }
    await this.#request((herder) => herder.alterOffsets(name, [entry]), remember(true), remember(false))
    await this.#request((herder) => herder.setTarget(name, 'STARTED'), this.#know(name, { target: 'STARTED' }), this.#know(name, { exists: undefined, target: undefined }))
  }

  async #disturb(): Promise<void> {
    const world = this.#world
    const kind = world.roll(9)
    if (kind < 3) world.letGo()
    else if (kind === 3) this.#pick(world.workers).freeze()
    else if (kind === 4 && world.isCluster && world.workers.length < 3) await world.addWorker()
    else if (kind === 5 && world.workers.length > 1) {
      const [leaving] = world.workers.splice(world.roll(world.workers.length), 1)
      this.#pending.push(leaving!.stop())
    } else if (kind === 6 && world.isCluster) {
      world.kill(this.#pick(world.workers))
      if (world.workers.length === 0) await world.addWorker()
    }
  }

  async run(): Promise<void> {
    const world = this.#world
    await world.start()
    for (let step = 0; step < 30; step++) {
      const done = this.#step()
      this.#pending.push(done)
      if (world.roll(4) > 0) await Promise.race([world.pass(10_000), done.catch(() => {})])
      if (world.roll(2) === 0) await this.#disturb()
      await world.pass(world.roll(2000))
    }
    world.isCalm = true
    for (const worker of world.workers) worker.thaw()
    world.letGo()
    await world.driving(Promise.all(this.#pending), 'what was asked for is answered')
    await this.#restartFailed()
    await this.#checkRest()
    await this.#checkRecords()
    await this.#checkEnd()
  }

  /** Connectors stay failed; tasks do not. */
  async #restartFailed(): Promise<void> {
    const world = this.#world
    await world.pass(20_000)
    for (const [name, { exists }] of this.#wanted) {
      let isDone = exists === false
      const restart = async () => {
        await this.#request((herder) => herder.restart(name, { includeTasks: false, onlyFailed: true }), () => { isDone = true }, () => { isDone = !world.workers[0]!.herder.names().includes(name) })
        return isDone
      }
      await world.until(async () => isDone || await restart(), `a restart of ${name}`)
    }
  }

  /** Everything is what was asked for last. */
  async #checkRest(): Promise<void> {
    const world = this.#world
    const state = async () => Promise.all([...this.#wanted].map(async ([name, { exists, target }]) => {
      const [{ herder }] = world.workers as [World['workers'][number]]
      const isThere = herder.names().includes(name)
      if (!isThere) return exists === true ? `${name} is gone` : herder.status(name).then(() => `${name} has a status`, () => undefined)
      if (exists === false) return `${name} is still there`
      const info = await herder.status(name).catch(() => undefined)
      const expected = target === undefined ? info?.connector.state : targets[target]
      const tasks = herder.tasks(name).length
      const planned = Number(herder.config(name)['tasks.max'])
      if (expected === 'RUNNING' && tasks !== (sources.includes(name) ? Math.min(planned, parts) : planned)) return `${name} has ${tasks} tasks, tasks.max is ${planned}; it is ${info?.connector.state}: ${info?.connector.trace}`
      if (info?.connector.state !== expected || info?.connector.state === 'FAILED') return `${name} is ${info?.connector.state} at ${info?.connector.worker_id}, not ${expected}: ${info?.connector.trace}`
      if (info === undefined || info.tasks.length !== tasks || (tasks > 0 && expected === 'STOPPED')) return `${name} (${expected}) has ${info?.tasks.length} of ${tasks} tasks`
      const wrong = info.tasks.find((task) => task.state !== expected)
      return wrong && `task ${name}-${wrong.id} is ${wrong.state} at ${wrong.worker_id}, not ${expected}: ${wrong.trace}`
    }))
    let complaints: readonly (string | undefined)[] = []
    await world.until(async () => {
      complaints = (await state()).filter((each) => each !== undefined)
      return complaints.length === 0
    }, 'everything is what was asked for').catch((error: unknown) => { throw new Error(complaints.join('\n'), { cause: error }) })
  }

  async #checkRecords(): Promise<void> {
    const world = this.#world
    for (const [name, { exists }] of this.#wanted) {
      if (exists !== false) await this.#request((herder) => herder.setTarget(name, 'STARTED'), this.#know(name, { exists: true, target: 'STARTED' }), () => {})
    }
    await this.#checkRest()
    await world.pass(5_000)
    world.isDry = true
    await world.pass(10_000)
    const topics = (await world.driving(world.broker.topics.list(), 'topics')).filter((topic) => topic.startsWith('of-'))
    for (const topic of topics) this.#checkSource(topic.slice(3), (await world.driving(readTopic(world.broker, topic), topic)).map(({ value }) => value!))
    for (const name of sinks) if (world.workers[0]!.herder.names().includes(name)) await this.#checkSink(name, topics)
  }

  #checkSource(name: string, values: readonly string[]): void {
    for (let part = 0; part < parts; part++) {
      const numbers = values.filter((value) => value.replaceAll('"', '').startsWith(`${part}:`)).map(numberOf)
      const set = (this.#set.get(`${name}:${part}`) ?? []).map(({ position }) => position)
      const trouble = this.#world.isExactlyOnce ? outOfOrder(numbers, set) : missing(numbers, set)
      if (trouble !== undefined) throw new Error(`${name}, part ${part}: ${trouble}; set were ${set.join()}`)
    }
  }

  async #checkSink(name: string, topics: readonly string[]): Promise<void> {
    const world = this.#world
    const kept = world.kept.get(name) ?? new Map<string, number>()
    const places = await world.driving(Promise.all(topics.map((topic) => placesOf(world, topic))), 'topics are read')
    const committed = async (topic: string) => (await world.broker.groups.describe(`connect-${name}`)).offsets.find((each) => each.topic === topic)?.offset ?? 0
    for (const [index, topic] of topics.entries()) {
      const { all, end } = places[index]!
      await world.until(async () => await committed(topic) >= end, `${name} has done with ${topic}`)
      const dead = new Set((await world.broker.topics.list()).includes(`dead-${name}`) ? (await world.driving(readTopic(world.broker, `dead-${name}`), 'dead letters')).filter(({ headers }) => headers['__connect.errors.topic'] === topic).map(({ headers }) => headers['__connect.errors.offset']) : [])
      const passedOver = Math.max(0, ...(this.#set.get(`${name}:${topic}:0`) ?? []).map(({ position }) => position))
      for (const { offset, number } of all) {
        if (offset < passedOver) continue
        const isPicked = number % pickedOn === 0 || (name === reading && number % brokenOn === 0)
        if (isPicked ? !dead.has(String(offset)) : !kept.has(`${topic}:0:${offset}`)) throw new Error(`${name} has lost ${topic}:${offset} (${number}); ${isPicked ? 'no dead letter' : 'not kept'}`)
        if (isPicked && kept.has(`${topic}:0:${offset}`)) throw new Error(`${name} was given ${number}`)
      }
    }
  }

  /** Nothing is left behind. */
  async #checkEnd(): Promise<void> {
    const world = this.#world
    world.letGo()
    await world.driving(Promise.all(world.workers.map((worker) => worker.stop())), 'the workers stop')
    await world.driving(Promise.all(world.dead.map((worker) => worker.bury())), 'the dead are buried')
    await world.pass(30_000)
    for (const name of sinks) expect((await world.broker.groups.describe(`connect-${name}`)).members).toEqual([])
    expect(Object.fromEntries(world.open)).toEqual(Object.fromEntries([...world.open.keys()].map((kind) => [kind, 0])))
    await world.driving(world.broker.close(), 'the log closes')
    expect(world.clock.pendingTimers).toBe(0)
  }
}

/** Each number follows the one before, or the next position that was set. */
function outOfOrder(numbers: readonly number[], set: readonly number[]): string | undefined {
  let [last, jump] = [0, 0]
  for (const [index, number] of numbers.entries()) {
    if (number !== last + 1) {
      jump = set.indexOf(number - 1, jump) + 1
      if (jump === 0) return `${number} follows ${last} (…${numbers.slice(Math.max(0, index - 8), index + 8).join()}…)`
    }
    last = number
  }
  return undefined
}

/** What was written twice was written twice; but nothing is passed over, unless a position was set behind it. */
function missing(numbers: readonly number[], set: readonly number[]): string | undefined {
  const seen = new Set(numbers)
  const last = Math.max(0, ...numbers)
  for (let number = Math.max(0, ...set) + 1; number <= last; number++) if (!seen.has(number)) return `${number} is missing`
  return undefined
}

async function placesOf({ broker }: World, topic: string): Promise<{ readonly all: readonly { readonly offset: number; readonly number: number }[]; readonly end: number }> {
  const reader = await broker.openReader()
  const [end] = await broker.topics.listOffsets([{ topic, partition: 0, at: 'latest' }], { isolation: 'read-committed' })
  reader.assign([{ topic, partition: 0, offset: 0 }])
  const all: { offset: number; number: number }[] = []
  while (reader.positions()[0]!.offset < end!.offset) {
    for (const { batches } of (await reader.read({ isolation: 'read-committed' })).partitions) {
      for (const batch of batches) for (const { offset, value } of batch) all.push({ offset, number: numberOf(Buffer.from(value!).toString()) })
    }
  }
  await reader.close()
  return { all, end: end!.offset }
}

describe('Connect at random', () => {
  it.each(Array.from({ length: seeds }, (_, index) => firstSeed + index))('loses nothing, hangs nowhere and leaves nothing behind, seed %i', async (seed) => {
    const world = new World(seed)
    try {
      await new Experiment(world).run()
    } catch (error) {
      if (process.env['MILLRACE_CONNECT_LOG'] !== undefined) console.log(world.log.lines.join('\n'))
      throw error
    }
  }, 120_000)
})
