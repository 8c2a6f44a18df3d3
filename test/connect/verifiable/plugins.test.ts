import { describe, expect, it } from 'vitest'
import { ConnectWorker } from '../../../src/connect/index.ts'
import type { SinkRecord } from '../../../src/connect/index.ts'
import { verifiableSink } from '../../../src/connect/verifiable/verifiable-sink.ts'
import { afterTest, memoryLog, openBroker, readTopic, until } from '../runtime/connect-kit.ts'

const readings = (worker: ConnectWorker) => Object.fromEntries(worker.parts.runner.tasksOf('check').flatMap(({ supervised }) => supervised.gauges().map(({ name, value }) => [name, value])))

describe('VerifiableSource and VerifiableSink', () => {
  it('count through the worker without gap or repeat, over a restart', async () => {
    const broker = await openBroker()
    await broker.topics.create([{ topic: 'numbers', partitions: 2 }])
    for (const maxRecords of ['100', '200']) {
      const worker = ConnectWorker.open({ broker, log: memoryLog(), config: { 'task.host': 'in-process', 'value.converter': 'LongConverter', 'key.converter': 'IntegerConverter' } })
      afterTest(() => worker.stop())
      await worker.start({ name: 'check', config: { 'connector.class': 'VerifiableSink', 'topics': 'numbers' } })
      await worker.start({ name: 'count', config: { 'connector.class': 'VerifiableSource', 'topic': 'numbers', 'tasks.max': '2', 'throughput': '-1', 'max.records': maxRecords } })
      await until(() => readings(worker)['verified_records'] === 200, '200 records are verified')
      expect(readings(worker)).toEqual({ verified_records: 200, verified_gaps: 0, verified_repeats: 0 })
      await worker.stop()
    }
    expect(await readTopic(broker, 'numbers')).toHaveLength(400)
  })

  it('sees a gap and a repeat', async () => {
    const record = (offset: number, value: number) => ({ originalTopic: 't', originalPartition: 0, originalOffset: offset, key: 0, value }) as SinkRecord
    const start = (config: Readonly<Record<string, string>>) => {
      const task = verifiableSink.createTask()
      const gauges = new Map<string, () => number>()
      const log = memoryLog()
      void task.start(verifiableSink.config.parse(config), { gauge: ({ name }: { readonly name: string }, read: () => number) => void gauges.set(name, read), log } as never)
      return { task, gauges, log }
    }
    expect(() => start({}).task.put([record(0, 0), record(1, 2)])).toThrow('t-0 at offset 1: number 2 of key 0 follows 0: 1 missing')
    expect(() => start({}).task.put([record(0, 1)])).toThrow('follows -1')
    for (const value of [null, '', ' ', true, [], {}, '1x', 1.5]) expect(() => start({}).task.put([{ ...record(0, 0), value } as SinkRecord])).toThrow('t-0 at offset 0 holds no number of VerifiableSource')
    const { task, gauges, log } = start({ 'on.gap': 'log' })
    await task.put([record(7, 5), record(8, 6), record(9, 6), record(10, 9), record(11, 10)])
    expect(Object.fromEntries([...gauges].map(([name, read]) => [name, read()]))).toEqual({ verified_records: 5, verified_gaps: 2, verified_repeats: 1 })
    expect(log.lines).toEqual(['error: t-0 at offset 10: number 9 of key 0 follows 6: 2 missing'])
  })
})
