/** What a consumer of many partitions with large batches takes in memory, not more than it was allowed to hold; and what waiting costs. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openKafkaBroker, RecordBatchBuilder } from '../../src/core/index.ts'
import type { Broker, ReadResult } from '../../src/core/index.ts'
import { freshName } from '../kit/kafka.ts'
import { describeWith } from '../kit/services.ts'

/** In a process of its own, which has not grown by writing before. */
const program = fileURLToPath(new URL('./memory-of-consumer.mjs', import.meta.url))
/** In another one, where nothing else is computed. */
const idleClient = fileURLToPath(new URL('./idle-client.mjs', import.meta.url))
const partitions = 100
const batchesPerPartition = 2
const batchBytes = 1_000_000
const boundBytes = 150 * 1024 * 1024
const idleMs = 10_000
/** Of a core. Bare kafkajs takes 3 % for a producer alone. */
const idleShare = 0.03
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
    const batchCount = partitions * batchesPerPartition
    const { stdout } = await promisify(execFile)(process.execPath, [program, bootstrapServers, topic, String(batchCount)])
    console.log(`${Math.round(Number(stdout) / 1024 / 1024)} MB above the start while ${batchCount} MB were read`)
    expect(Number(stdout)).toBeGreaterThan(0)
    expect(Number(stdout)).toBeLessThan(boundBytes)
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

  it('takes next to no CPU while nothing happens, with a producer, a reader and a member open', async () => {
    const empty = freshName('idle')
    await broker.topics.create([{ topic: empty, partitions: 10 }])
    const { stdout } = await promisify(execFile)(process.execPath, [idleClient, bootstrapServers, empty, String(idleMs)])
    const share = Number(stdout)
    console.log(`${(share * 100).toFixed(1)} % of a core while idle`)
    expect(share).toBeGreaterThan(0)
    expect(share).toBeLessThan(idleShare)
  }, 60_000)

  const batches = (found: ReadResult['partitions']) => found.flatMap((partition) => partition.batches)
})
