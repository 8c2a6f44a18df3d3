import { afterAll, beforeAll, describe, it } from 'vitest'
import { kafkaClassPath, KafkaUnavailable } from './kafka-jars.ts'
import { startKafka } from './kafka.ts'
import type { KafkaCluster, KafkaOptions } from './kafka.ts'

/**
 * A `describe` with a cluster of its own, whose brokers its tests may kill; it runs while the tests do. Skipped loudly with the reason where no cluster can be had, and failed where CI=true.
 */
export function describeWithOwnKafka(options: KafkaOptions, title: string, body: (cluster: () => KafkaCluster) => void): void {
  const reason = whyUnavailable()
  if (reason === null) {
    describe(title, () => {
      let cluster: KafkaCluster | undefined
      beforeAll(async () => {
        cluster = await startKafka(options)
      }, 240_000)
      afterAll(() => cluster?.stop())
      body(() => cluster!)
    })
  } else if (process.env['CI'] === 'true') {
    describe(title, () => it('needs kafka', () => Promise.reject(new Error(reason))))
  } else {
    console.warn(`SKIPPED: ${title}: ${reason}`)
    describe(title, () => it.skip(`needs kafka, but there is ${reason}`, () => undefined))
  }
}

function whyUnavailable(): string | null {
  if (process.env['DOCKER_HOST'] !== undefined) return null
  try {
    kafkaClassPath()
    return null
  } catch (error) {
    if (error instanceof KafkaUnavailable) return error.message
    throw error
  }
}
