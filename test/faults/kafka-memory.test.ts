/** What a consumer of many partitions with large batches takes in memory: not more than it was allowed to hold. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openKafkaBroker, RecordBatchBuilder } from '../../src/core/index.ts'
import type { Broker, ReadResult } from '../../src/core/index.ts'
import { freshName } from '../kit/kafka.ts'
import { describeWith } from '../kit/services.ts'

const partitions = 100
const batchesPerPartition = 2
const batchBytes = 1_000_000
const boundBytes = 150 * 1024 * 1024
const topic = freshName('memory')

await describeWith('kafka', 'a consumer of 100 partitions with batches of 1 MB', ({ bootstrapServers }) => {
  let broker: Broker
  beforeAll(async () => {
    broker = await openKafkaBroker({ brokers: bootstrapServers.split(',') })
    await broker.topics.create([{ topic, partitions, configs: { 'retention.ms': '-1' } }])
    const producer = await broker.openProducer()
    const builder = new RecordBatchBuilder({ maxBytes: batchBytes })
    const value = Buffer.alloc(10_000, 'x')
    for (let count = 0; count < partitions * batchesPerPartition; count++) {
      while (builder.add(null, value, 1_767_225_600_000 + count)) { /* until it is full */ }
      await producer.appendBatch({ topic, partition: count % partitions }, builder.build())
    }
    await producer.close()
  }, 120_000)
  afterAll(() => broker?.close())

  const batchesIn = (result: ReadResult) => result.partitions.reduce((sum, { batches }) => sum + batches.length, 0)

  it('stays within 150 MB above its start', async () => {
    const member = await broker.joinGroup({ groupId: freshName('memory'), topics: [topic], offsetReset: 'earliest' })
    const start = process.memoryUsage().rss
    let highest = start
    for (let read = 0; read < partitions * batchesPerPartition;) {
      read += batchesIn(await member.read({ maxWaitMs: 5_000 }))
      highest = Math.max(highest, process.memoryUsage().rss)
    }
    console.log(`${Math.round((highest - start) / 1024 / 1024)} MB above the start while ${partitions * batchesPerPartition} MB were read`)
    expect(highest - start).toBeLessThan(boundBytes)
    await member.leave()
  }, 120_000)

  it('holds nothing of paused partitions, and reads them from the same place when they are resumed', async () => {
    const member = await broker.joinGroup({ groupId: freshName('memory'), topics: [topic], offsetReset: 'earliest' })
    const [kept, ...paused] = member.assignment
    member.pause(paused)
    let ofKept = 0
    while (ofKept < batchesPerPartition) ofKept += batchesIn(await member.read({ maxWaitMs: 5_000 }))
    expect(await member.read({ maxWaitMs: 100 })).toEqual({ partitions: [] })
    member.pause([kept!])
    member.resume(paused.slice(0, 1))
    const { partitions: found } = await member.read({ maxWaitMs: 5_000 })
    expect(found.map(({ partition, nextOffset, batches }) => [partition, nextOffset, batches[0]!.baseOffset])).toEqual([[paused[0]!.partition, batches(found)[0]!.lastOffset + 1, 0]])
    await member.leave()
  }, 60_000)

  const batches = (found: ReadResult['partitions']) => found.flatMap((partition) => partition.batches)
})
