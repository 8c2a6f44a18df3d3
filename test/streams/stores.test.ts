import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, headersKeyValueStore, headersSessionStore, headersWindowStore, topic } from '../../src/streams/index.ts'
import type { Processor, ProcessorContext, Topology } from '../../src/streams/index.ts'
import { createTopics, openMemoryBroker, readAll, write } from '../kit/streams-harness.ts'

const texts = { key: stringSerde, value: stringSerde }
const orders = headersKeyValueStore('orders', texts)
const minutes = headersWindowStore('minutes', { ...texts, retention: '1h', windowSize: '1m' })
const visits = headersSessionStore('visits', { ...texts, retention: '1h' })

/** Each record is put with a header of its own; `ask` sends on what the stores had. */
function program(): Topology {
  const builder = new StreamsBuilder()
  builder.stream(topic('in', texts)).processValues((): Processor<string, string, string, string> => {
    let context: ProcessorContext<string, string>
    return {
      init(given) { context = given },
      process(record) {
        const [rows, windows, sessions] = [context.store(orders), context.store(minutes), context.store(visits)]
        if (record.value === 'ask') {
          const found = [rows.get(record.key), windows.fetchOne(record.key, 0), sessions.fetchSession(record.key, 0, 9)]
          context.forward(record.withValue(JSON.stringify(found.map((row) => row && { ...row, headers: row.headers.map(({ key, value }) => [key, value && stringSerde.deserialize(value)]) }))))
          return
        }
        const row = { value: record.value, timestamp: record.timestamp, headers: [{ key: 'of', value: stringSerde.serialize(record.value) }, { key: 'none', value: null }] }
        rows.put(record.key, row)
        windows.put(record.key, row, 0)
        sessions.put({ key: record.key, start: 0, end: 9 }, { value: row.value, headers: row.headers })
      },
    }
  }, { stores: [orders, minutes, visits] }).to(topic('out', texts))
  return builder.build()
}

async function run(broker: Broker): Promise<void> {
  const app = new StreamsApp(program(), { applicationId: 'app', broker, commitInterval: 5 })
  await app.start()
  await app.caughtUp()
  await app.close()
}

describe('stores that keep headers', () => {
  it('have them again after a restore, and show them in the changelog as those of its records', async () => {
    const broker = await openMemoryBroker()
    await createTopics(broker, { in: 1, out: 1 })
    await write(broker, 'in', [{ key: 'k', value: 'a', timestamp: 1_000 }, { key: 'k', value: 'b', timestamp: 900 }])
    await run(broker)
    await write(broker, 'in', [{ key: 'k', value: 'ask', timestamp: 2_000 }])
    await run(broker)
    const headers = [['of', 'b'], ['none', null]]
    expect((await readAll(broker, 'out')).map(({ value }) => JSON.parse(value!) as unknown)).toEqual([
      [{ value: 'b', timestamp: 900, headers }, { value: 'b', timestamp: 900, headers }, { value: 'b', headers }],
    ])
    expect((await readAll(broker, 'app-orders-changelog')).at(-1)).toMatchObject({ key: 'k', value: 'b', timestamp: 900, headers: { of: 'b' } })
    await broker.close()
  })
})
