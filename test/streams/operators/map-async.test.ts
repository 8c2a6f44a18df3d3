import { describe, expect, it } from 'vitest'
import { jsonSerde, stringSerde } from '../../../src/core/index.ts'
import type { AsyncOptions } from '../../../src/streams/map-async.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { TopologyTestDriver } from '../../../src/streams/testing/topology-test-driver.ts'
import type { TestDriverOptions } from '../../../src/streams/testing/topology-test-driver.ts'
import { topic } from '../../../src/streams/topic.ts'

const texts = { key: stringSerde, value: stringSerde }
const input = topic('in', texts)
const output = topic('out', texts)

/** A function whose calls end when the test says so. */
class Calls {
  readonly made: string[] = []
  readonly signals: AbortSignal[] = []
  readonly #ends = new Map<string, { readonly resolve: (value: string) => void; readonly reject: (error: Error) => void }>()

  readonly call = (value: string, _key: unknown, _record: unknown, signal: AbortSignal): Promise<string> => {
    this.made.push(value)
    this.signals.push(signal)
    return new Promise((resolve, reject) => this.#ends.set(value, { resolve, reject }))
  }

  resolve(...values: string[]): void {
    for (const value of values) this.#ends.get(value)!.resolve(value.toUpperCase())
  }

  reject(value: string): void {
    this.#ends.get(value)!.reject(new Error(`no ${value}`))
  }
}

function program(calls: Calls, options: AsyncOptions = {}, driverOptions: TestDriverOptions = {}) {
  const builder = new StreamsBuilder()
  builder.stream(input).mapAsync(calls.call, options).to(output)
  const driver = new TopologyTestDriver(builder.build(), driverOptions)
  const [source, sink] = [driver.inputTopic(input), driver.outputTopic(output)]
  return { driver, sink, pipe: (key: string, value: string) => source.pipe({ key, value, timestamp: 1 }) }
}

/** Lets promises that are settled call back. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

describe('mapAsync', () => {
  it('calls for several records at once and gives results of one key in the order of its records', async () => {
    const calls = new Calls()
    const { driver, sink, pipe } = program(calls)
    pipe('k', 'a')
    pipe('k', 'b')
    pipe('other', 'c')
    await turn()
    expect(calls.made).toEqual(['a', 'b', 'c'])
    calls.resolve('c', 'b')
    await turn()
    pipe('third', 'd')
    await turn()
    calls.resolve('a', 'd')
    await driver.settled()
    expect(sink.readValues()).toEqual(['C', 'A', 'B', 'D'])
  })

  it('gives all results in the order of records when the order is total', async () => {
    const calls = new Calls()
    const { driver, sink, pipe } = program(calls, { order: 'total' })
    pipe('k', 'a')
    pipe('other', 'b')
    await turn()
    calls.resolve('b')
    await turn()
    expect(sink.isEmpty).toBe(true)
    calls.resolve('a')
    await driver.settled()
    expect(sink.readValues()).toEqual(['A', 'B'])
  })

  it('takes no more input than maxInFlight', async () => {
    const calls = new Calls()
    const { driver, sink, pipe } = program(calls, { maxInFlight: 2 })
    for (const value of ['a', 'b', 'c', 'd']) pipe(value, value)
    await turn()
    expect(calls.made).toEqual(['a', 'b'])
    const settled = driver.settled()
    calls.resolve('b')
    await turn()
    expect(calls.made).toEqual(['a', 'b', 'c'])
    calls.resolve('a', 'c')
    await turn()
    calls.resolve('d')
    await settled
    expect(sink.readValues()).toEqual(['B', 'A', 'C', 'D'])
  })

  it('ends a call that never settles when its time is up, and fires its signal', async () => {
    const calls = new Calls()
    const { driver, pipe } = program(calls, { timeout: '5s' })
    pipe('k', 'a')
    await turn()
    driver.advanceWallClock(4999)
    expect(calls.signals[0]!.aborted).toBe(false)
    expect(() => driver.advanceWallClock(1)).toThrow(expect.objectContaining({ code: 'PROCESSING_FAILED', cause: expect.objectContaining({ code: 'TIMEOUT' }) }))
    expect(calls.signals[0]!.aborted).toBe(true)
  })

  it('hands a failure to the policy for processing errors', async () => {
    const calls = new Calls()
    const { driver, sink, pipe } = program(calls, {}, { onProcessingError: 'skip' })
    pipe('k', 'a')
    pipe('k', 'b')
    await turn()
    calls.reject('a')
    calls.resolve('b')
    await driver.settled()
    expect(sink.readValues()).toEqual(['B'])
    expect(driver.droppedRecords).toBe(1)
  })

  it('makes a failed call again after a back-off that doubles, as often as it was told', async () => {
    const calls = new Calls()
    const { driver, sink, pipe } = program(calls, { retry: { maxAttempts: 3, backoff: 100 } })
    pipe('k', 'a')
    await turn()
    calls.reject('a')
    await turn()
    driver.advanceWallClock(100)
    await turn()
    calls.reject('a')
    await turn()
    driver.advanceWallClock(199)
    await turn()
    expect(calls.made.length).toBe(2)
    driver.advanceWallClock(1)
    await turn()
    expect(calls.made.length).toBe(3)
    calls.resolve('a')
    await driver.settled()
    expect(sink.readValues()).toEqual(['A'])
  })

  it('treats what the function throws at once as a failed call', async () => {
    const builder = new StreamsBuilder()
    builder.stream(input).mapAsync(() => { throw new Error('at once') }).to(topic('out', { key: stringSerde, value: jsonSerde() }))
    const driver = new TopologyTestDriver(builder.build())
    driver.inputTopic(input).pipe({ key: 'k', value: 'a', timestamp: 1 })
    await expect(driver.settled()).rejects.toThrow('at once')
  })

  it('keeps timestamp, headers and key of the record', async () => {
    const calls = new Calls()
    const { driver, sink } = program(calls)
    const headers = [{ key: 'h', value: Buffer.from('1') }]
    driver.inputTopic(input).pipe({ key: 'k', value: 'a', timestamp: 77, headers })
    await turn()
    calls.resolve('a')
    await driver.settled()
    expect(sink.read()).toMatchObject({ key: 'k', value: 'A', timestamp: 77, headers: [{ key: 'h' }] })
  })

  it('commits nothing while a call is under way: a restart makes it again', async () => {
    const calls = new Calls()
    const { driver, sink, pipe } = program(calls)
    pipe('k', 'a')
    await turn()
    calls.resolve('a')
    await driver.settled()
    pipe('k', 'b')
    await turn()
    driver.restart()
    expect(calls.signals[1]!.aborted).toBe(true)
    await driver.settled()
    expect(sink.readValues()).toEqual(['A'])
  })

  it.each([
    [{ maxInFlight: 0 }, 'maxInFlight'], [{ maxInFlight: 1.5 }, 'maxInFlight'], [{ retry: { maxAttempts: 0 } }, 'retry.maxAttempts'],
  ])('refuses %j', (options, named) => {
    expect(() => program(new Calls(), options)).toThrow(named)
  })
})
