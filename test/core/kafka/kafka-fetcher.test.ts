import { expect, it } from 'vitest'
import type { Clock } from '../../../src/core/clock.ts'
import type { KafkaCluster } from '../../../src/core/kafka/kafka-cluster.ts'
import { KafkaFetcher } from '../../../src/core/kafka/kafka-fetcher.ts'
import type { KafkaLane } from '../../../src/core/kafka/kafka-lane.ts'
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
