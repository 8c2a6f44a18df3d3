/** An application whose records name the topics they go to: those that are there, one that is not, and one that takes little. The same on every backend. */
import { expect } from 'vitest'
import type { Broker } from '../../src/core/index.ts'
import { stringSerde } from '../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../src/streams/index.ts'
import { createTopic, eventually } from '../contract/contract-kit.ts'
import { readAll, write } from './streams-harness.ts'

const text = { key: stringSerde, value: stringSerde }
const limit = 1_000
const smallCount = 40

/** `prefix` is the application's id, and the beginning of its topics' names. */
export async function expectTopicsToBeChosen(broker: Broker, prefix: string): Promise<void> {
  const [input, there, small, later, deadLetters] = ['in', 'there', 'small', 'later', 'dead-letter'].map((name) => `${prefix}-${name}`) as [string, string, string, string, string]
  await createTopic(broker, { topic: input })
  await createTopic(broker, { topic: there, partitions: 2 })
  await createTopic(broker, { topic: small, configs: { 'max.message.bytes': String(limit) } })
  const builder = new StreamsBuilder()
  builder.stream(topic(input, text)).to((_value, key) => `${prefix}-${key}`, text)
  const app = new StreamsApp(builder.build(), { applicationId: prefix, broker, commitInterval: 20, onSerializationError: 'dead-letter', onProcessingError: 'skip' })
  await app.start()
  const send = (name: string, values: readonly string[]) => write(broker, input, values.map((value) => ({ key: name, value })))
  const valuesIn = async (name: string) => (await readAll(broker, name)).map(({ value }) => value!)
  const arrive = (name: string, values: readonly string[]) => eventually(async () => expect(await valuesIn(name)).toEqual(values))

  const many = Array.from({ length: smallCount }, (_, index) => `${index} ${'x'.repeat(50)}`)
  await send('there', ['a'])
  await send('small', many)
  await send('later', ['too early'])
  await send('small', ['y'.repeat(limit), 'last'])
  await arrive(there, ['a'])
  await arrive(small, [...many, 'last'])
  await arrive(deadLetters, ['too early', 'y'.repeat(limit)])
  const letters = await readAll(broker, deadLetters)
  expect(letters.map(({ headers }) => headers['__streams.errors.message'])).toMatchObject([
    expect.stringContaining(`the topic ${later} does not exist; create it first`),
    expect.stringContaining(`larger than the topic ${small} takes (max.message.bytes is ${limit})`),
  ])

  // It is looked for again and again, not only once.
  await createTopic(broker, { topic: later })
  await eventually(async () => {
    await send('later', ['again'])
    expect((await valuesIn(later))[0]).toBe('again')
  })
  expect(app.state).toBe('RUNNING')
  await app.close()
}
