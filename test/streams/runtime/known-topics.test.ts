import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../../src/streams/index.ts'
import { expectTopicsToBeChosen } from '../../kit/chosen-topics.ts'
import { createTopics, openMemoryBroker, write } from '../../kit/streams-harness.ts'

const text = { key: stringSerde, value: stringSerde }

let broker: Broker
beforeEach(async () => {
  broker = await openMemoryBroker()
})
afterEach(() => broker.close())

describe('topics that records name', () => {
  it('get what fits into them when they exist, by then or later; the policy decides about the rest', async () => {
    await expectTopicsToBeChosen(broker, 'app')
  }, 60_000)

  it('end the application when they do not exist and nothing was said, with what to do', async () => {
    await createTopics(broker, { in: 1 })
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).to(() => 'nowhere', text)
    const app = new StreamsApp(builder.build(), { applicationId: 'app', broker, commitInterval: 5 })
    await app.start()
    await write(broker, 'in', [{ value: 'x' }])
    await expect(app.finished()).rejects.toMatchObject({ message: expect.stringMatching(/in-0 at offset 0.*the topic nowhere does not exist; create it first: millrace topics --create --topic nowhere/s) as string })
    await app.close().catch(() => undefined)
  })
})
