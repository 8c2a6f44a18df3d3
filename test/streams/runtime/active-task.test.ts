import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringSerde, systemClock } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../../src/streams/index.ts'
import type { StreamsConfig } from '../../../src/streams/index.ts'
import { eventually } from '../../contract/contract-kit.ts'
import { createTopics, openMemoryBroker, readAll, write } from '../../kit/streams-harness.ts'
import type { TextInput } from '../../kit/streams-harness.ts'

const text = { key: stringSerde, value: stringSerde }
let broker: Broker
let app: StreamsApp | null

beforeEach(async () => {
  broker = await openMemoryBroker()
  app = null
  await createTopics(broker, { left: 1, right: 1, out: 1 })
})

afterEach(async () => {
  await app?.close()
  await broker.close()
})

/** Both topics in one task: what is written shows the order in which records were taken. */
async function start(options: Partial<StreamsConfig>): Promise<StreamsApp> {
  const builder = new StreamsBuilder()
  builder.stream(topic('left', text)).merge(builder.stream(topic('right', text))).to(topic('out', text))
  app = new StreamsApp(builder.build(), { applicationId: 'app', broker, commitInterval: 5, ...options })
  await app.start()
  return app
}

const at = (side: string, times: readonly number[]): readonly TextInput[] => times.map((timestamp) => ({ key: 'k', value: `${side} ${timestamp}`, timestamp }))
const written = async () => (await readAll(broker, 'out')).map(({ value }) => value)

describe('a task with two inputs', () => {
  it.each([0, '1h', 'never'] as const)('takes records that are there in the order of their timestamps, maxTaskIdle %s', async (maxTaskIdle) => {
    // More than one read brings: the tail of a topic is known to exist before it is here.
    const times = Array.from({ length: 3_000 }, (_, index) => index)
    await write(broker, 'left', at('left', times.filter((time) => time % 3 !== 0)))
    await write(broker, 'right', at('right', [...times.filter((time) => time % 3 === 0), 5_000]))
    await write(broker, 'left', at('left', [5_000]))
    await start({ maxTaskIdle, maxBufferedRecords: 10 })
    const expected = times.map((time) => `${time % 3 === 0 ? 'right' : 'left'} ${time}`)
    // 'never' takes what it has, so only that nothing is lost or doubled can be said of it.
    const inOrder = (values: readonly (string | null)[]) => (maxTaskIdle === 'never' ? values.toSorted((a, b) => Number(a!.split(' ')[1]) - Number(b!.split(' ')[1])) : values)
    await eventually(async () => expect(inOrder(await written()).slice(0, 3_000)).toEqual(expected))
  })

  it('waits, when told to, for an input of which the broker has no more, and then goes on without it', async () => {
    let offsetMs = 0
    const clock = { ...systemClock, now: () => systemClock.now() + offsetMs }
    await write(broker, 'left', at('left', [10, 30]))
    const running = await start({ maxTaskIdle: '1h', clock })
    const polls = () => valueOf(running, 'poll-total')
    await eventually(() => Promise.resolve(expect(polls()).toBeGreaterThan(3)))
    expect(await written()).toEqual([])
    // A late producer finds its place, as long as the task idles.
    await write(broker, 'right', at('right', [20]))
    await eventually(async () => expect(await written()).toEqual(['left 10', 'right 20']))
    const before = polls()
    await eventually(() => Promise.resolve(expect(polls()).toBeGreaterThan(before + 3)))
    expect(await written()).toEqual(['left 10', 'right 20'])
    expect(valueOf(running, 'enforced-processing-total')).toBe(0)
    offsetMs = 3_600_000
    await eventually(async () => expect(await written()).toEqual(['left 10', 'right 20', 'left 30']))
    expect(valueOf(running, 'enforced-processing-total')).toBe(1)
  })

  it('does not wait for an input of which the broker has no more, unless told to', async () => {
    await write(broker, 'left', at('left', [10]))
    await start({})
    await eventually(async () => expect(await written()).toEqual(['left 10']))
    await write(broker, 'right', at('right', [5]))
    await eventually(async () => expect(await written()).toEqual(['left 10', 'right 5']))
  })
})

function valueOf(running: StreamsApp, metric: string): number {
  return running.metricValues().find(({ name }) => name === metric)!.value
}
