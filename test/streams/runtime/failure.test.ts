import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BrokerClient } from '../../../src/core/engine/broker-client.ts'
import { seededRandom, sleep, stringSerde, systemClock } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../../src/streams/index.ts'
import { createTopics, openMemoryBroker, write } from '../../kit/streams-harness.ts'
import { withMethods } from '../../kit/with-methods.ts'

const text = { key: stringSerde, value: stringSerde }

let broker: Broker
let instances: readonly StreamsApp[] = []
beforeEach(async () => {
  broker = await openMemoryBroker()
})
afterEach(async () => {
  await Promise.allSettled(instances.map((instance) => instance.close()))
  await broker.close()
})

describe("the end of an application that one instance asks for ('shutdown-application')", () => {
  it('is heard by a member that was late in the round in which it was asked', async () => {
    await createTopics(broker, { in: 2, out: 1 })
    const { engine } = broker as BrokerClient
    const asked = signalled()
    let isLate = false
    const lateEngine = withMethods(engine, {
      async syncGroup(request) {
        if (isLate) await asked.promise.then(() => sleep(systemClock, 100)) // who asked is gone by now, if it does not wait
        isLate = false
        return engine.syncGroup(request)
      },
    })
    const firstEngine = withMethods(engine, { syncGroup: (request) => engine.syncGroup(request).finally(() => { if (isLate) asked.resolve() }) })
    const topologyOf = (onValue: () => void) => {
      const builder = new StreamsBuilder()
      builder.stream(topic('in', text)).forEach(onValue)
      return builder.build()
    }
    const failing = topologyOf(() => { throw new Error('no good') })
    instances = ([[failing, firstEngine], [topologyOf(() => {}), lateEngine]] as const).map(([topology, its]) => new StreamsApp(topology, {
      applicationId: 'app', commitInterval: 5, onFailure: () => 'shutdown-application',
      broker: new BrokerClient(its, { clock: systemClock, random: seededRandom(1), closeEngine: () => Promise.resolve() }),
    }))
    const [first, late] = instances
    await first!.start()
    await late!.start()
    isLate = true
    await write(broker, 'in', [{ value: 'x', partition: 0 }, { value: 'x', partition: 1 }])
    await expect(first!.finished()).rejects.toMatchObject({ code: 'PROCESSING_FAILED' })
    await expect(late!.finished()).rejects.toMatchObject({ code: 'SHUTDOWN_REQUESTED' })
    expect((await broker.groups.describe('app')).members).toEqual([])
  })
})

function signalled() {
  let resolve = () => {}
  const promise = new Promise<void>((fulfil) => { resolve = fulfil })
  return { promise, resolve }
}
