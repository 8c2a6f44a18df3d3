import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { TopicRecordLog, plainWriter } from '../../../../src/connect/runtime/herder/topic-record-log.ts'
import type { Broker, Reader } from '../../../../src/core/index.ts'
import { openEmbeddedBroker, systemClock } from '../../../../src/core/index.ts'
import { MemoryFileSystem } from '../../../kit/memory-file-system.ts'

import { withMethods } from '../../../kit/with-methods.ts'
import { memoryLog } from '../connect-kit.ts'

test('refresh() waits until what was read is applied, not until the reader has passed it', async () => {
  const broker = await openEmbeddedBroker({ directory: '/data', fileSystem: new MemoryFileSystem() })
  const producer = await broker.openProducer({ clientId: 'test' })
  const { promise: passed, resolve: hasPassed } = deferred()
  const { promise: released, resolve: release } = deferred()
  // a reader whose read has moved its position, and is not yet taken up
  const holding = (reader: Reader) => withMethods(reader, {
    async read(options) {
      const result = await reader.read(options)
      if (result.partitions.length > 0) {
        hasPassed()
        await released
      }
      return result
    },
  })
  const holdingBroker: Broker = withMethods(broker, { openReader: async (options) => holding(await broker.openReader(options)) })
  const applied: string[] = []
  const log = await TopicRecordLog.open<string>({
    broker: holdingBroker, topic: 'configs', partitions: 1, replicationFactor: null, needsOnePartition: true, clock: systemClock, log: memoryLog(),
    encode: (record) => [record, record], decode: (key) => key ?? undefined, apply: (record) => applied.push(record), writer: () => Promise.resolve(plainWriter(producer)),
  })
  try {
    await producer.append({ topic: 'configs', key: Buffer.from('a'), value: Buffer.from('a') })
    await passed
    const seen = log.refresh().then(() => [...applied])
    await broker.topics.listOffsets([{ topic: 'configs', partition: 0, at: 'latest' }])
    await setImmediate() // every step of refresh() that needs no more than this answer
    release()
    expect(await seen).toEqual(['a'])
  } finally {
    release()
    await log.close()
    await producer.close()
    await broker.close()
  }
})

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((done) => { resolve = done })
  return { promise, resolve }
}
