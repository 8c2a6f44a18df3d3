import { describe, expect, it } from 'vitest'
import { ConnectWorker } from '../../../src/connect/index.ts'
import type { RawConfig, SourceRecord } from '../../../src/connect/index.ts'
import { sleep, systemClock } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { afterTest, FedSource, memoryLog, openBroker, readTopic, until } from './connect-kit.ts'

async function start(broker: Broker, source: FedSource, config: RawConfig) {
  const worker = ConnectWorker.open({ broker, plugins: [source.plugin], log: memoryLog(), config: { 'task.host': 'in-process', 'value.converter': 'StringConverter' } })
  afterTest(() => worker.stop())
  await worker.start({ name: 'fed', config: { 'connector.class': 'FedSource', ...config } })
  return worker
}

const values = async (broker: Broker) => (await broker.topics.list()).includes('fed') ? (await readTopic(broker, 'fed')).map(({ value }) => value) : []
const offsets = async (broker: Broker) => (await readTopic(broker, 'connect-offsets')).map(({ value }) => (JSON.parse(value!) as { position: number }).position)

describe('a transaction of a source', () => {
  it('ends with each poll by default', async () => {
    const broker = await openBroker()
    const source = new FedSource()
    source.feed('a', 'b')
    source.feed('c')
    await start(broker, source, {})
    await until(() => source.committed.length === 2, 'two commits')
    expect(source.committed).toEqual([2, 3])
    expect(await offsets(broker)).toEqual([2, 3])
  })

  it('ends by time with transaction.boundary=interval, and once more at the stop', async () => {
    const broker = await openBroker()
    const source = new FedSource()
    source.feed('a')
    source.feed('b')
    const worker = await start(broker, source, { 'transaction.boundary': 'interval', 'transaction.boundary.interval.ms': '3600000' })
    await until(() => source.polls.length === 0, 'both are polled')
    await sleep(systemClock, 50)
    expect(await values(broker)).toEqual([])
    await worker.stop()
    expect(await values(broker)).toEqual(['a', 'b'])
    expect(await offsets(broker)).toEqual([2])
  })

  it('ends where the connector says with transaction.boundary=connector; aborted records are gone and their offsets are not', async () => {
    const broker = await openBroker()
    const source = new FedSource()
    const fedWith = (mark: (records: readonly SourceRecord[]) => void, ...texts: readonly string[]) => source.polls.push(() => {
      const records = texts.map((text) => source.record(text))
      mark(records)
      return records
    })
    const ends = () => source.context!.transaction!
    fedWith(() => {}, 'a')
    fedWith((records) => ends().commitAfter(records[0]!), 'b', 'c')
    fedWith((records) => ends().abortAfter(records[1]!), 'd', 'e')
    fedWith(() => ends().abortAfterBatch(), 'f')
    fedWith(() => ends().commitAfterBatch(), 'g')
    await start(broker, source, { 'transaction.boundary': 'connector' })
    await until(() => source.committed.at(-1) === 7, 'the last is committed')
    expect(await values(broker)).toEqual(['a', 'b', 'g'])
    expect(source.committed).toEqual([2, 5, 6, 7])
    expect(await offsets(broker)).toEqual([2, 5, 6, 7])
  })
})
