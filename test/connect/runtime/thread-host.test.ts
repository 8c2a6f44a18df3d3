import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { ConnectWorker } from '../../../src/connect/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { afterTest, memoryLog, openBroker, readTopic, temporaryDirectory, until } from './connect-kit.ts'

/** Node 20 cannot run TypeScript in a thread: the built file is what runs there. */
const taskWorkerUrl = new URL('../../../dist/src/connect/runtime/task-worker.js', import.meta.url)
const plugin = new URL('./fixtures/counting-plugin.mjs', import.meta.url).href

function openWorker(broker: Broker, config: Readonly<Record<string, string>> = {}) {
  if (!existsSync(fileURLToPath(taskWorkerUrl))) throw new Error('build first: npm run build')
  const log = memoryLog()
  const worker = ConnectWorker.open({
    broker, log, taskWorkerUrl, config: { 'plugin.path': plugin, 'value.converter': 'StringConverter', 'restart.backoff.ms': '10', 'task.shutdown.graceful.timeout.ms': '25000', ...config },
  })
  afterTest(() => worker.stop())
  return { worker, log }
}

const values = async (broker: Broker, topic = 'counted') => (await readTopic(broker, topic)).map(({ value }) => value)
const counted = (last: number) => Array.from({ length: last }, (_, index) => `${index + 1} thread`)
const source = { 'connector.class': 'CountingSource', 'topic': 'counted', 'last': '20' }

describe('a task in a thread', () => {
  it('reaches the log, reports progress and stops cleanly', async () => {
    const broker = await openBroker()
    const { worker, log } = openWorker(broker)
    await worker.start({ name: 'count', config: source })
    await until(() => worker.status()[0]!.tasks[0]?.records === 20, 'twenty records are reported')
    const [task] = worker.parts.runner.tasks()
    await until(() => task!.supervised.gauges()[0]?.value === 0, 'its gauge crosses the thread')
    await worker.stop()
    expect(await values(broker)).toEqual(counted(20))
    expect(worker.status()[0]!.tasks[0]).toMatchObject({ state: 'UNASSIGNED', attempts: 0 })
    expect(log.lines).toEqual([])
  })

  it('pauses and resumes', async () => {
    const broker = await openBroker()
    const { worker } = openWorker(broker)
    await worker.start({ name: 'count', config: { ...source, last: '1000000' } })
    await until(() => (worker.status()[0]!.tasks[0]?.records ?? 0) > 0, 'it has begun')
    await worker.pause('count')
    const rest = { records: 0, looks: 0 }
    // A thread that is only slow does not stand still for so many looks.
    await until(async () => {
      const records = (await values(broker)).length
      rest.looks = records === rest.records ? rest.looks + 1 : 0
      rest.records = records
      return rest.looks === 50
    }, 'it rests')
    const rested = (await values(broker)).length
    expect(rested).toBe(rest.records)
    await worker.resume('count')
    await until(async () => (await values(broker)).length > rested, 'it goes on')
  })

  const deaths = ['exit', 'uncaught', 'rejection', 'memory', 'block']

  it(`takes nothing with it when it dies (${deaths.join(', ')}), and goes on without gap or repeat`, async () => {
    const broker = await openBroker()
    const marker = join(temporaryDirectory(), 'died')
    const { worker, log } = openWorker(broker, { 'task.max.memory.mb': '64', 'task.stall.timeout.ms': '5000' })
    for (const death of deaths) await worker.start({ name: death, config: { ...source, 'topic': death, 'death': death, 'death.at': '7', 'death.marker': `${marker}-${death}` } })
    for (const death of deaths) {
      await until(async () => (await broker.topics.list()).includes(death) && (await values(broker, death)).length === 20, `twenty records are there after ${death}`)
      expect(await values(broker, death)).toEqual(counted(20))
      expect(worker.status().find(({ name }) => name === death)!.tasks[0]).toMatchObject({ state: 'RUNNING', attempts: 1 })
      expect(log.lines.filter((line) => line.includes(`${death}-0`) && line.includes('its thread'))).toHaveLength(1)
    }
  }, 90_000)

  describe.skipIf(process.platform === 'win32')('that hangs in a call of the system, which nothing can end', () => {
    function pipeOf(marker: string): void {
      execFileSync('mkfifo', [`${marker}.pipe`])
      // who has it open at both ends does not wait: it lets the thread go
      afterTest(() => writeFileSync(`${marker}.pipe`, '', { flag: 'r+' }))
    }

    it('is started again beside it', async () => {
      const broker = await openBroker()
      const marker = join(temporaryDirectory(), 'hung')
      const { worker, log } = openWorker(broker, { 'task.stall.timeout.ms': '2000' })
      pipeOf(marker)
      await worker.start({ name: 'hung', config: { ...source, 'death': 'system', 'death.at': '7', 'death.marker': marker } })
      await until(async () => (await broker.topics.list()).includes('counted') && (await values(broker)).length === 20, 'twenty records are there')
      expect(await values(broker)).toEqual(counted(20))
      expect(log.lines.filter((line) => line.includes('is left behind'))).toHaveLength(1)
    }, 60_000)

    it('holds up no other connector, and not the end of the worker', async () => {
      const broker = await openBroker()
      const marker = join(temporaryDirectory(), 'hung')
      const { worker } = openWorker(broker, { 'task.stall.timeout.ms': '0', 'task.shutdown.graceful.timeout.ms': '200' })
      pipeOf(marker)
      await worker.start({ name: 'hung', config: { ...source, 'topic': 'of-the-hung', 'death': 'system', 'death.marker': marker } })
      await until(() => existsSync(marker), 'it hangs')
      await worker.remove('hung')
      await worker.start({ name: 'count', config: source })
      await until(() => worker.status()[0]!.tasks[0]?.records === 20, 'the other one runs')
      await worker.stop()
    }, 60_000)
  })

  it('runs inside the worker when that is asked for', async () => {
    const broker = await openBroker()
    const { worker } = openWorker(broker, { 'task.host': 'in-process' })
    await worker.start({ name: 'count', config: { ...source, last: '1' } })
    await until(() => worker.status()[0]!.tasks[0]?.records === 1, 'the record is there')
    expect(await values(broker)).toEqual(['1 main'])
  })
})
