import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringSerde, systemClock } from '../../../src/core/index.ts'
import type { Broker, Clock, Serde } from '../../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, keyValueStore, topic } from '../../../src/streams/index.ts'
import type { KeyValueStore, StreamsConfig } from '../../../src/streams/index.ts'
import { eventually } from '../../contract/contract-kit.ts'
import { createTopics, openMemoryBroker, readAll, write } from '../../kit/streams-harness.ts'
import { withMethods } from '../../kit/with-methods.ts'

const texts = { key: stringSerde, value: stringSerde }
let broker: Broker
let directory: string

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-global-'))
  broker = await openMemoryBroker()
  await createTopics(broker, { in: 1, out: 1, rates: 2, names: 1 })
})

afterEach(async () => {
  await broker.close()
  rmSync(directory, { recursive: true, force: true })
})

interface Run {
  /** Values that the processor of the global store was given. */
  readonly read: readonly string[]
  readonly rates: Readonly<Record<string, string>>
}

/** One life of an application whose global store has, for each key, all values it was given, and which joins a global table. */
async function runOnce(settings: Partial<StreamsConfig> = { stateDirectory: directory }, type: 'persistent' | 'inMemory' = 'persistent'): Promise<Run> {
  const read: string[] = []
  const builder = new StreamsBuilder()
  addRates(builder, type, (value) => read.push(value))
  const names = builder.globalTable(topic('names', texts), { store: 'names' })
  builder.stream(topic('in', texts)).join(names, (value, name) => `${value} ${name}`, { on: (_value, key) => key }).to(topic('out', texts))
  const app = new StreamsApp(builder.build(), { applicationId: 'app', broker, commitInterval: 5, ...settings })
  await app.start()
  await app.caughtUp()
  const rates = ratesOf(app)
  await app.close()
  return { read: read.sort(), rates }
}

/** A global store that has all values of each key, one behind the other. `onPut` hears of each. */
function addRates(builder: StreamsBuilder, type: 'persistent' | 'inMemory', onPut: (value: string) => void): void {
  const definition = keyValueStore('rates', { ...texts, type })
  builder.addGlobalStore(definition, topic('rates', texts), () => {
    let store: KeyValueStore<string, string>
    return {
      init(context) { store = context.store(definition) },
      process({ key, value }) {
        store.put(key, (store.get(key) ?? '') + value)
        onPut(value)
      },
    }
  })
}

function ratesOf(app: StreamsApp): Readonly<Record<string, string>> {
  return Object.fromEntries([...app.store<string, string>('rates', 'key-value').all()].map(({ key, value }) => [key, value]))
}

const record = (key: string, value: string, partition: number) => ({ key, value, partition, timestamp: 1 })

describe('a global store with a state directory', () => {
  it('goes on where it was: each record of its topic reaches the processor once over all restarts', async () => {
    await write(broker, 'names', [{ key: 'k', value: 'first', timestamp: 1 }])
    await write(broker, 'rates', [record('a', '1', 0), record('b', '2', 1)])
    expect(await runOnce()).toEqual({ read: ['1', '2'], rates: { a: '1', b: '2' } })
    await write(broker, 'rates', [record('a', '3', 0)])
    await write(broker, 'in', [{ key: 'k', value: 'v', timestamp: 2 }])
    expect(await runOnce()).toEqual({ read: ['3'], rates: { a: '13', b: '2' } })
    expect(await runOnce()).toEqual({ read: [], rates: { a: '13', b: '2' } })
    expect((await readAll(broker, 'out')).map(({ value }) => value)).toEqual(['v first'])
  })

  it('is filled anew where the topic was made anew and is shorter, and where it was not used for longer than deletions are kept', async () => {
    await write(broker, 'rates', [record('a', '1', 0), record('a', '2', 0), record('b', '3', 1)])
    await runOnce()
    await broker.topics.remove(['rates'])
    await createTopics(broker, { rates: 2 })
    await write(broker, 'rates', [record('a', '4', 0), record('b', '5', 1)])
    expect(await runOnce()).toEqual({ read: ['4', '5'], rates: { a: '4', b: '5' } })
    const later = (hours: number): Clock => withMethods(systemClock, { now: () => systemClock.now() + hours * 3_600_000 })
    expect(await runOnce({ stateDirectory: directory, clock: later(11) })).toEqual({ read: [], rates: { a: '4', b: '5' } })
    expect(await runOnce({ stateDirectory: directory, clock: later(24) })).toEqual({ read: ['4', '5'], rates: { a: '4', b: '5' } })
  })

  it.each(['persistent', 'inMemory'] as const)('loses nothing of what was read with what failed, where the application goes on (%s)', async (type) => {
    let failures = 0
    const builder = new StreamsBuilder()
    addRates(builder, type, (value) => {
      if (value === '2' && failures++ === 0) throw new Error('this once')
    })
    builder.stream(topic('in', texts)).to(topic('out', texts))
    const app = new StreamsApp(builder.build(), { applicationId: 'app', broker, commitInterval: 5, onFailure: () => 'replace', ...(type === 'persistent' && { stateDirectory: directory }) })
    await app.start()
    await write(broker, 'rates', [record('a', '1', 0), record('a', '2', 0), record('a', '3', 0), record('b', '4', 1)])
    await eventually(async () => expect(ratesOf(app)).toEqual({ a: '123', b: '4' }))
    expect(failures).toBe(2)
    await app.close()
  })

  it('leaves out what cannot be read where other records go to a dead-letter topic: each instance would write one', async () => {
    const careful: Serde<string> = {
      serialize: (value) => stringSerde.serialize(value),
      deserialize: (bytes) => {
        const value = stringSerde.deserialize(bytes)
        if (value === 'bad') throw new Error('not this one')
        return value
      },
    }
    const builder = new StreamsBuilder()
    builder.globalTable(topic('names', { key: stringSerde, value: careful }), { store: 'names' })
    builder.stream(topic('in', texts)).to(topic('out', texts))
    await write(broker, 'names', [{ key: 'k', value: 'bad' }, { key: 'l', value: 'good' }])
    const app = new StreamsApp(builder.build(), { applicationId: 'app', broker, onDeserializationError: 'dead-letter' })
    await app.start()
    await app.caughtUp()
    expect([...app.store<string, string>('names').all()]).toEqual([{ key: 'l', value: 'good' }])
    await app.close()
    expect(await readAll(broker, 'app-dead-letter')).toEqual([])
  })

  it('is filled anew where the topic has lost what it lacks, and where a part of it is in memory', async () => {
    await write(broker, 'rates', [record('a', '1', 0), record('b', '2', 1)])
    await runOnce()
    await write(broker, 'rates', [record('a', '3', 0), record('a', '4', 0), record('b', '5', 1)])
    const [end] = await broker.topics.listOffsets([{ topic: 'rates', partition: 0, at: 'latest' }])
    await broker.topics.deleteRecords([{ topic: 'rates', partition: 0, beforeOffset: end!.offset - 1 }])
    expect(await runOnce()).toEqual({ read: ['2', '4', '5'], rates: { a: '4', b: '25' } })
    expect(await runOnce(undefined, 'inMemory')).toEqual({ read: ['2', '4', '5'], rates: { a: '4', b: '25' } })
    expect(await runOnce({})).toEqual({ read: ['2', '4', '5'], rates: { a: '4', b: '25' } })
  })
})
