import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runConsole } from '../../src/cli/run-console.ts'
import { longSerde, openEmbeddedBroker, openKafkaBroker, stringSerde } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../src/streams/index.ts'
import { freshName } from '../kit/kafka.ts'
import { MemoryTerminal } from '../kit/memory-terminal.ts'
import { describeWith } from '../kit/services.ts'
import { readAll, write } from '../kit/streams-harness.ts'

const words = topic('words', { key: stringSerde, value: stringSerde })

let directory: string

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-reset-'))
  await withBroker(async (broker) => {
    await broker.topics.create([{ topic: 'words', partitions: 2 }, { topic: 'counts' }])
    await write(broker, 'words', ['a', 'b', 'a', 'a'].map((value) => ({ key: value, value })))
    await runCounts(broker)
  })
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function withBroker<T>(use: (broker: Broker) => Promise<T>): Promise<T> {
  const broker = await openEmbeddedBroker({ directory })
  try {
    return await use(broker)
  } finally {
    await broker.close()
  }
}

/** Counts words through a repartition topic; every update is written. */
async function runCounts(broker: Broker): Promise<void> {
  const builder = new StreamsBuilder()
  builder.stream(words).groupBy((word) => word).count({ store: 'counts' }).toStream().to(topic('counts', { key: stringSerde, value: longSerde }))
  const app = new StreamsApp(builder.build(), { applicationId: 'counter', broker, cacheMaxBytes: 0 })
  await app.start()
  await app.caughtUp()
  await app.close()
}

async function reset(args: string) {
  const terminal = new MemoryTerminal()
  const code = await runConsole(['reset', '--data', directory, ...args.split(' ')], terminal)
  return { code, output: terminal.output, errors: terminal.errors }
}

const countsWritten = () => withBroker(async (broker) => (await readAll(broker, 'counts')).length)

describe('millrace reset', () => {
  it('shows what it would do, and changes nothing', async () => {
    const { code, output, errors } = await reset('--application-id counter')
    expect(code).toBe(0)
    expect(output).toMatch(/^set offset +words +0 +0$/m)
    expect(output).toMatch(/^delete topic +counter-counts-repartition$/m)
    expect(output).toMatch(/^delete topic +counter-counts-changelog$/m)
    expect(output).not.toMatch(/topic +words$/m)
    expect(errors).toMatch(/^Nothing was changed; add --execute/)
    await withBroker(runCounts)
    expect(await countsWritten()).toBe(4)
  })

  it('lets the application count everything again, from nothing', async () => {
    expect(await reset('--application-id counter --execute')).toMatchObject({ code: 0, errors: '' })
    await withBroker(async (broker) => {
      expect((await broker.topics.list()).filter((name) => name.startsWith('counter-'))).toEqual([])
      await runCounts(broker)
      const counts = (await readAll(broker, 'counts')).map(({ key, value }) => `${key} ${longSerde.deserialize(stringSerde.serialize(value!))}`)
      expect(counts.filter((text) => text.startsWith('a'))).toEqual(['a 1', 'a 2', 'a 3', 'a 1', 'a 2', 'a 3'])
    })
  })

  it('goes to other places when told to', async () => {
    expect((await reset('--application-id counter --to-latest --execute')).output).toMatch(/^set offset +words +[01] +[1-4]$/m)
    await withBroker(runCounts)
    expect(await countsWritten()).toBe(4)
    expect(await reset('--application-id counter --to-latest --to-offset 0')).toMatchObject({ code: 1 })
  })

  it('refuses an application that never ran', async () => {
    expect((await reset('--application-id other')).errors).toMatch(/^error: no application other has run here/)
  })
})

await describeWith('kafka', 'millrace reset on Kafka', ({ bootstrapServers }) => {
  it('refuses an application that runs, and resets it once it has stopped', async () => {
    const broker = await openKafkaBroker({ brokers: bootstrapServers.split(',') })
    const applicationId = freshName('reset')
    const input = topic(`${applicationId}-in`, { key: stringSerde, value: stringSerde })
    await broker.topics.create([{ topic: input.name }])
    await write(broker, input.name, [{ key: 'k', value: 'v' }])
    const builder = new StreamsBuilder()
    builder.stream(input).groupBy((word) => word).count({ store: 'counts' })
    const app = new StreamsApp(builder.build(), { applicationId, broker })
    await app.start()
    await app.caughtUp()
    const args = `--application-id ${applicationId} --kafka ${bootstrapServers} --execute`
    expect((await reset(args)).errors).toMatch(new RegExp(`^error: ${applicationId} runs in 1 instance; stop it first`))
    await app.close()
    expect(await reset(args)).toMatchObject({ code: 0, errors: '' })
    expect((await broker.topics.list()).filter((name) => name.startsWith(applicationId))).toEqual([input.name])
    expect((await broker.groups.describe(applicationId)).offsets.filter((position) => position.topic === input.name)).toMatchObject([{ offset: 0 }])
    await broker.close()
  }, 60_000)
})
