import { describe, expect, it } from 'vitest'
import { configSpec, ConnectWorker } from '../../../src/connect/index.ts'
import type { SourcePlugin } from '../../../src/connect/index.ts'
import { openEmbeddedBroker, sleep, systemClock } from '../../../src/core/index.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'
import { afterTest, memoryLog, readTopic, until } from './connect-kit.ts'

const last = 300
const padding = 'x'.repeat(1000)

/** Counts to `last`, going on behind its committed offset. */
const counter: SourcePlugin = {
  type: 'source', class: 'test.Counter', version: '1', config: configSpec({}),
  createConnector: () => ({ start: () => {}, taskConfigs: () => [{}], stop: () => {} }),
  createTask: () => {
    let next = 1
    return {
      start: async (_config, context) => { next = Number((await context.offsets([{}]))[0]?.['count'] ?? 0) + 1 },
      poll: async (signal) => {
        await sleep(systemClock, 1, signal)
        if (next > last) return null
        return Array.from({ length: Math.min(10, last - next + 1) }, () => {
          const count = next++
          return { topic: 'counts', value: `${count} ${padding}`, sourcePartition: {}, sourceOffset: { count } }
        })
      },
      stop: () => {},
    }
  },
}

describe('a source on a full disk', () => {
  it.each(['enabled', 'disabled'])('waits, says so, and goes on when there is room (exactly once: %s)', async (support) => {
    let capacityBytes = 150_000
    const fileSystem = new MemoryFileSystem({ get capacityBytes() { return capacityBytes } })
    const broker = await openEmbeddedBroker({ directory: '/data', fileSystem })
    afterTest(() => broker.close())
    const log = memoryLog()
    const worker = ConnectWorker.open({
      broker, plugins: [counter], log,
      config: { 'task.host': 'in-process', 'value.converter': 'StringConverter', 'exactly.once.source.support': support, 'offset.flush.interval.ms': '10', 'restart.backoff.ms': '10', 'restart.backoff.max.ms': '5000' },
    })
    afterTest(() => worker.stop())
    await worker.start({ name: 'count', config: { 'connector.class': 'Counter' } })
    await until(() => worker.status()[0]!.tasks[0]?.state === 'RESTARTING', 'the disk is full')
    expect(worker.status()[0]!.tasks[0]!.trace).toMatch(/space/)
    capacityBytes = Infinity
    const counts = async () => (await readTopic(broker, 'counts')).map(({ value }) => Number(value!.split(' ')[0]))
    await until(async () => (await broker.topics.list()).includes('counts') && (await counts()).includes(last), 'the last count is there')
    const all = Array.from({ length: last }, (_, index) => index + 1)
    if (support === 'enabled') expect(await counts()).toEqual(all)
    expect(new Set(await counts())).toEqual(new Set(all))
    expect(log.lines.filter((line) => line.includes('space'))).toHaveLength(1)
  })
})
