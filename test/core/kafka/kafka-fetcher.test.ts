import { expect, it } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'
import type { Clock } from '../../../src/core/clock.ts'
import type { KafkaCluster } from '../../../src/core/kafka/kafka-cluster.ts'
import { KafkaFetcher } from '../../../src/core/kafka/kafka-fetcher.ts'
import type { KafkaLane } from '../../../src/core/kafka/kafka-lane.ts'
import { RecordBatchBuilder } from '../../../src/core/log/record-batch-builder.ts'
import { sealBatch } from '../../../src/core/log/record-batch.ts'
import { seededRandom } from '../../../src/core/random.ts'

/** Each look at it takes time, as in a busy process; timers fire at once, and the time is theirs then. */
function clockThatGoesOn(stepMs: number): Clock {
  let now = 0
  return {
    now: () => now,
    monotonic: () => (now += stepMs),
    setTimer: (delayMs, callback) => {
      let isCancelled = false
      setImmediate(() => {
        if (isCancelled) return
        now += delayMs
        callback()
      })
      return { cancel: () => { isCancelled = true } }
    },
  } as Clock
}

it('asks again for a partition whose pause ends just while it is told that there is nothing to ask', async () => {
  for (let seed = 0; seed < 200; seed++) {
    const clock = clockThatGoesOn(1 + (seed % 40))
    const cluster = {
      clock, random: seededRandom(seed), requestTimeoutMs: 30_000, cachedLeader: () => undefined, cachedTopic: () => undefined, refresh: () => Promise.resolve(),
    } as unknown as KafkaCluster
    const fetcher = new KafkaFetcher(cluster, {} as KafkaLane, (_position, _isolation, cause) => Promise.reject(cause))
    fetcher.assign([{ topic: 'missing', partition: 0, offset: 0 }])
    await expect(fetcher.read({ maxWaitMs: 45_000 }), `seed ${seed}`).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION' })
    expect(clock.now(), `seed ${seed}`).toBeLessThan(20_000)
  }
})

interface FetchRequest {
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly { readonly partition: number; readonly fetchOffset: number }[] }[]
}

it('holds one answer of each leader at most, however many partitions have records', async () => {
  const [leaders, partitionCount] = [3, 30]
  const builder = new RecordBatchBuilder({ maxBytes: 10_000 })
  builder.add(null, new Uint8Array(900), 0, [])
  const { bytes } = builder.build()
  sealBatch(bytes, { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false })
  let answers = 0
  /** As much as an answer may be comes from the first partition that is asked for. */
  const answer = ({ topics }: FetchRequest) => {
    answers++
    const found = topics[0]!.partitions.map(({ partition, fetchOffset }, index) => {
      const records = Buffer.from(index === 0 ? bytes : [])
      if (index === 0) records.writeBigInt64BE(BigInt(fetchOffset), 0)
      return { partitionIndex: partition, errorCode: 0, highWatermark: 1_000, lastStableOffset: 1_000, logStartOffset: 0, abortedTransactions: null, records }
    })
    return { responses: [{ topic: 'a', partitions: found }] }
  }
  const cluster = {
    clock: systemClock, random: seededRandom(1), requestTimeoutMs: 30_000, cachedLeader: ({ partition }: { readonly partition: number }) => partition % leaders,
  } as unknown as KafkaCluster
  const lane = { send: (_leader: number, _api: object, request: FetchRequest) => Promise.resolve(answer(request)) } as unknown as KafkaLane
  const fetcher = new KafkaFetcher(cluster, lane, (_position, _isolation, cause) => Promise.reject(cause))
  fetcher.assign(Array.from({ length: partitionCount }, (_, partition) => ({ topic: 'a', partition, offset: 0 })))
  const read = new Set<number>()
  let batches = 0
  for (let round = 0; round < 60; round++) {
    for (const { partition, batches: found } of (await fetcher.read({ maxBytes: 1_000 })).partitions) {
      read.add(partition)
      batches += found.length
    }
    expect(answers - batches).toBeLessThanOrEqual(leaders)
  }
  expect(read.size).toBeGreaterThanOrEqual(partitionCount / 2)
})
