import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StreamError, longSerde, sleep, stringSerde, systemClock } from '../../../src/core/index.ts'
import type { Broker, Producer } from '../../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, keyValueStore, topic } from '../../../src/streams/index.ts'
import type { ProcessorContext } from '../../../src/streams/index.ts'
import { TaskOutput } from '../../../src/streams/runtime/task-output.ts'
import { createTopics, openMemoryBroker, readAll, write } from '../../kit/streams-harness.ts'
import { withMethods } from '../../kit/with-methods.ts'

const text = { key: stringSerde, value: stringSerde }

let broker: Broker
let app: StreamsApp
beforeEach(async () => {
  broker = await openMemoryBroker()
  await createTopics(broker, { in: 1, out: 1 })
})
afterEach(async () => {
  await (app as StreamsApp | undefined)?.close().catch(() => undefined)
  await broker.close()
})

const away = () => new StreamError('BACKEND_UNAVAILABLE', 'the coordinator does not answer', { retriable: true })

/** A broker whose producers fail as `faulty` says, and that opens none while it is `away`. */
function brokerWith(faulty: (producer: Producer) => Partial<Producer>, isAway: () => boolean): Broker {
  return withMethods(broker, {
    openProducer: async (options) => {
      if (isAway()) throw away()
      const producer = await broker.openProducer(options)
      return withMethods(producer, faulty(producer))
    },
  })
}

async function start(faulty: (producer: Producer) => Partial<Producer>, isAway = () => false): Promise<void> {
  const builder = new StreamsBuilder()
  builder.stream(topic('in', text)).groupByKey().count({ store: 'counts' }).toStream().mapValues(String).to(topic('out', text))
  app = new StreamsApp(builder.build(), { applicationId: 'app', broker: brokerWith(faulty, isAway), commitInterval: 5, cacheMaxBytes: 0 })
  await app.start()
}

const values = async () => (await readAll(broker, 'out')).map(({ value }) => value)

describe('a commit whose answer never comes', () => {
  it('counts when it took effect: nothing is done twice', async () => {
    let lost = 0
    await start((producer) => ({
      commit: async (offsets) => {
        await producer.commit(offsets)
        if (offsets!.offsets.length === 0 || lost++ > 0) return
        throw away()
      },
      // The transaction is not open any more where it was; the coordinator says the same.
      abort: async () => (lost === 1 ? undefined : producer.abort()),
    }))
    await write(broker, 'in', [{ key: 'a', value: 'x' }, { key: 'a', value: 'y' }])
    await app.caughtUp()
    await write(broker, 'in', [{ key: 'a', value: 'z' }])
    await app.caughtUp()
    expect(lost).toBeGreaterThan(0)
    expect(await values()).toEqual(['1', '2', '3'])
  })

  it('is done again when it did not', async () => {
    let lost = 0
    await start((producer) => ({
      commit: async (offsets) => {
        if (offsets!.offsets.length > 0 && lost++ === 0) throw away()
        await producer.commit(offsets)
      },
    }))
    await write(broker, 'in', [{ key: 'a', value: 'x' }, { key: 'a', value: 'y' }])
    await app.caughtUp()
    expect(lost).toBeGreaterThan(1)
    expect(await values()).toEqual(['1', '2'])
  })
})

describe('a backend that is away for longer than anybody waits for an answer', () => {
  it('ends nothing: the transaction is aborted when it is back', async () => {
    let failures = 0
    await start((producer) => ({
      commit: async (offsets) => {
        if (offsets!.offsets.length > 0 && failures++ === 0) throw away()
        await producer.commit(offsets)
      },
      abort: async () => {
        if (failures > 0 && failures++ < 4) throw away()
        await producer.abort()
      },
    }))
    await write(broker, 'in', [{ key: 'a', value: 'x' }, { key: 'a', value: 'y' }])
    await app.caughtUp()
    expect(failures).toBeGreaterThan(3)
    expect(app.state).toBe('RUNNING')
    expect(await values()).toEqual(['1', '2'])
  })

  it('is waited for also where the producer has to be replaced', async () => {
    const fenced = new StreamError('PRODUCER_FENCED', 'the transaction ran into its time-out')
    let isFenced = false
    let refusals = 3
    await start((producer) => ({
      commit: async (offsets) => {
        if (offsets!.offsets.length === 0 || isFenced) return producer.commit(offsets)
        isFenced = true
        throw fenced
      },
      abort: async () => {
        if (isFenced && refusals > 0) throw fenced
        await producer.abort()
      },
    }), () => isFenced && refusals-- > 0)
    await write(broker, 'in', [{ key: 'a', value: 'x' }])
    await app.caughtUp()
    expect(refusals).toBeLessThan(0)
    expect(app.state).toBe('RUNNING')
    expect(await values()).toEqual(['1'])
  })
})

describe('a commit of what a punctuator of the wall clock did, while no record came', () => {
  const ticks = keyValueStore('ticks', { key: stringSerde, value: longSerde })

  /** Writes 1, 2, 3 … as time passes, and counts in a store. */
  async function startTicking(faulty: (producer: Producer) => Partial<Producer>): Promise<void> {
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).process<string, string>(() => {
      let context!: ProcessorContext<string, string>
      return {
        init(given) {
          context = given
          context.schedule('5ms', 'wall-clock', (now) => {
            const count = (context.store(ticks).get('tick') ?? 0) + 1
            context.store(ticks).put('tick', count)
            context.forward(context.record('tick', String(count), now))
          })
        },
        process: () => undefined,
      }
    }, { stores: [ticks] }).to(topic('out', text))
    app = new StreamsApp(builder.build(), { applicationId: 'app', broker: brokerWith(faulty, () => false), commitInterval: 5, cacheMaxBytes: 0 })
    await app.start()
  }

  async function ticked(count: number): Promise<readonly (string | null)[]> {
    for (;;) {
      const found = await values()
      if (found.length >= count) return found
      await sleep(systemClock, 5)
    }
  }

  it('names an offset all the same, so that a member which the group has given up is refused', async () => {
    let unnamed = 0
    await startTicking((producer) => ({
      commit: async (offsets) => {
        if (offsets === undefined || offsets.offsets.length === 0) unnamed++
        await producer.commit(offsets)
      },
    }))
    await ticked(3)
    expect(unnamed).toBe(0)
  })

  it('counts when its answer never comes and it took effect: nothing is done twice', async () => {
    let commits = 0
    await startTicking((producer) => ({
      commit: async (offsets) => {
        await producer.commit(offsets)
        if (++commits === 4) throw away()
      },
      abort: async () => (commits === 4 ? undefined : producer.abort()),
    }))
    const found = await ticked(8)
    expect(found).toEqual(found.map((_, index) => String(index + 1)))
  })
})

describe('the memory of batches', () => {
  it('is used again when they are acknowledged, and not before; that of a batch which failed is left alone', async () => {
    let appends = 0
    let last = Promise.resolve()
    let refused: { readonly bytes: Uint8Array; readonly before: Uint8Array } | null = null
    const blocks = new Set<ArrayBufferLike>()
    await createTopics(broker, { lines: 1, copies: 1 })
    const faulty = brokerWith((producer) => ({
      appendBatch: async (target, batch) => {
        const nth = appends++
        if (nth === 20) {
          refused = { bytes: batch.bytes, before: batch.bytes.slice() }
          throw away()
        }
        blocks.add(batch.bytes.buffer)
        // Looked at only when it is its turn, after others were made.
        last = last.then(() => Promise.resolve())
        await last
        return producer.appendBatch(target, batch)
      },
    }), () => false)
    const builder = new StreamsBuilder()
    builder.stream(topic('lines', text)).mapValues((line) => `${line}!`).to(topic('copies', text))
    app = new StreamsApp(builder.build(), { applicationId: 'app', broker: faulty, commitInterval: 5, onFailure: () => 'replace' })
    const lines = Array.from({ length: 3_000 }, (_, nth) => `${nth}-${'x'.repeat(nth % 7 === 0 ? 20_000 : 3_000)}`)
    await app.start()
    for (let at = 0; at < lines.length; at += 500) {
      await write(broker, 'lines', lines.slice(at, at + 500).map((value) => ({ value })))
      await app.caughtUp()
    }
    const copies = (await readAll(broker, 'copies')).map(({ value }) => value)
    expect(copies).toHaveLength(lines.length)
    expect(copies.findIndex((copy, nth) => copy !== `${lines[nth]}!`)).toBe(-1)
    expect(appends).toBeGreaterThan(50)
    expect(blocks.size).toBeLessThan(appends / 2)
    expect(Buffer.compare(refused!.bytes, refused!.before)).toBe(0)
  })
})

describe('what is sent while a commit is on its way', () => {
  const outputOf = () => new TaskOutput({ broker, guarantee: 'exactly-once', transactionalId: 'id', transactionTimeoutMs: 60_000, clientId: 'c', maxBatchBytes: 10_000, maxInFlightBytes: 200, partitionCount: () => 1 })
  const member = { commit: () => Promise.resolve(), metadata: () => ({ groupId: 'group', generation: -1, memberId: '', groupInstanceId: null }) }
  const send = (output: TaskOutput) => {
    output.collector.send('out', 0, null, new Uint8Array(1000), 1, [])
    output.collector.flush()
  }

  it.each(['goes on its way', 'is dropped'])('holds nothing up any more when it %s', async (end) => {
    const output = outputOf()
    await output.open()
    send(output)
    const commit = output.commit([], member)
    send(output)
    await commit
    expect(output.isFull).toBe(true)
    if (end === 'is dropped') await output.abort()
    else output.resume()
    await output.drain()
    expect(output.isFull).toBe(false)
    expect(output.endOf('out', 0)).toBe(end === 'is dropped' ? 1 : 3)
    await output.close()
  })
})
