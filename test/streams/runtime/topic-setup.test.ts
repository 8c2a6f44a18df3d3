import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../../src/streams/index.ts'
import { createTopics, openMemoryBroker } from '../../kit/streams-harness.ts'

const text = { key: stringSerde, value: stringSerde }
const own = ['app-words-changelog', 'app-words-repartition']

let broker: Broker
beforeEach(async () => {
  broker = await openMemoryBroker()
  await createTopics(broker, { in: 2 })
})
afterEach(() => broker.close())

function newApp(): StreamsApp {
  const builder = new StreamsBuilder()
  builder.stream(topic('in', text)).groupBy((_key, word) => word, text).count({ store: 'words' })
  return new StreamsApp(builder.build(), { applicationId: 'app', broker })
}

const ownTopics = async () => (await broker.topics.list()).filter((name) => name.startsWith('app-'))

describe('the topics of an application', () => {
  it('are made at once', async () => {
    const create = vi.spyOn(broker.topics, 'create')
    const app = newApp()
    await app.start()
    expect(create.mock.calls.map(([specs]) => specs.map(({ topic: name }) => name).sort())).toEqual([own])
    expect(await ownTopics()).toEqual(own)
    await app.close()
  })

  it('are all there when another instance makes some of them meanwhile', async () => {
    const create = broker.topics.create.bind(broker.topics)
    vi.spyOn(broker.topics, 'create').mockImplementationOnce(async (specs) => {
      await create([specs[0]!])
      await create(specs)
    })
    const app = newApp()
    await app.start()
    expect(await ownTopics()).toEqual(own)
    await app.close()
  })

  it('are not made when one that is there has other partitions', async () => {
    await createTopics(broker, { 'app-words-changelog': 3 })
    await expect(newApp().start()).rejects.toMatchObject({ code: 'TOPOLOGY_INVALID', message: expect.stringContaining('app-words-changelog has 3 partitions, but the program needs 2') as string })
    expect(await ownTopics()).toEqual(['app-words-changelog'])
  })
})
