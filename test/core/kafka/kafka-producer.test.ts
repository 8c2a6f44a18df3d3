import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { Producer, ProducerOptions, UnsealedBatch } from '../../../src/core/broker.ts'
import { openKafkaProducer } from '../../../src/core/kafka/kafka-producer.ts'
import { RecordBatchBuilder } from '../../../src/core/log/record-batch-builder.ts'
import { partitionForKey } from '../../../src/core/partitioner.ts'
import { ManualClock } from '../../kit/manual-clock.ts'
import { ScriptedKafka } from '../../kit/scripted-kafka.ts'
import type { Fate } from '../../kit/scripted-kafka.ts'

const bytes = (text: string) => Buffer.from(text)

async function producerOn(options: ProducerOptions = {}, partitionCount = 4) {
  const clock = new ManualClock()
  const kafka = new ScriptedKafka(clock, partitionCount)
  const cluster = kafka.cluster()
  const producer = await openKafkaProducer(cluster, options, () => undefined)
  const append = (value: string, partition = 0) => {
    const appended = producer.append({ topic: 'a', partition, value: bytes(value), timestamp: 0 })
    appended.catch(() => undefined) // told by flush and commit
    return appended
  }
  return { clock, kafka, cluster, producer, append }
}

/** Of the requests of one kind, the first comes to this, the others are answered. */
function once(api: string, fate: Fate): (asked: string) => Fate {
  let isOver = false
  return (asked) => {
    if (asked !== api || isOver) return 'answered'
    isOver = true
    return fate
  }
}

function batchOf(valueBytes: number): UnsealedBatch {
  const builder = new RecordBatchBuilder({ maxBytes: 2 * valueBytes })
  builder.add(null, new Uint8Array(valueBytes), 0, [])
  return builder.build()
}

/** What was appended in this turn is sent, and answered or lost. */
async function turns(): Promise<void> {
  for (let count = 0; count < 5; count++) await turn()
}

async function commitOf(producer: Producer, append: () => Promise<unknown>): Promise<void> {
  producer.begin()
  await append()
  await producer.commit()
}

it('does not take a record for one that an aborted transaction had written, when the answer to that was lost', async () => {
  const { clock, kafka, producer, append } = await producerOn({ transactionalId: 'tx' })
  kafka.fate = once('Produce', 'done-and-lost')
  producer.begin()
  const first = append('aborted')
  await turns()
  await producer.abort()
  await expect(first).rejects.toMatchObject({ code: 'ABORTED' })
  await clock.advance(1_000)
  await commitOf(producer, () => append('committed'))
  expect(kafka.valuesOf('a', 0)).toEqual(['aborted', 'committed'])
  expect(kafka.asked.filter((api) => api === 'InitProducerId')).toHaveLength(2)
})

it('goes on under its epoch after an abort of which nothing was lost', async () => {
  const { kafka, producer, append } = await producerOn({ transactionalId: 'tx' })
  producer.begin()
  await append('aborted')
  await producer.abort()
  await commitOf(producer, () => append('committed'))
  expect(kafka.asked.filter((api) => api === 'InitProducerId')).toHaveLength(1)
})

it('sends a record to the partition of its key, also when the leaders were asked for anew while it waited for room', async () => {
  const { kafka, cluster, producer, append } = await producerOn({ maxBufferBytes: 100 })
  const key = Array.from({ length: 100 }, (_, index) => bytes(`k${index}`)).find((candidate) => partitionForKey(candidate, 4) === 3)!
  let answer = (_fate: Fate) => undefined as void
  kafka.fate = (api) => (api === 'Produce' ? new Promise((resolve) => (answer = resolve)) : 'answered')
  const first = append('x'.repeat(90))
  await turns()
  const second = producer.append({ topic: 'a', key, value: bytes('keyed') })
  await turns()
  cluster.forgetTopic('a')
  answer('answered')
  await first
  kafka.fate = () => 'answered'
  await expect(second).resolves.toMatchObject({ partition: 3 })
})

it('gives every partition its turn while others have more and more to send', async () => {
  const { kafka, producer } = await producerOn({}, 8)
  kafka.fate = async (): Promise<Fate> => {
    await turns()
    return 'answered'
  }
  let left = 24
  const keepSending = async (partition: number): Promise<void> => {
    while (left-- > 0) await producer.appendBatch({ topic: 'a', partition }, batchOf(3 * 1024 * 1024))
  }
  await Promise.all([0, 0, 1, 1, 2, 2, 3, 3, 7].map(keepSending))
  const place = kafka.produced.findIndex((targets) => targets.includes('a-7'))
  expect(place).toBeGreaterThanOrEqual(0)
  expect(place).toBeLessThan(9)
})

it('writes nothing twice in one partition because a request to another one was lost for good', async () => {
  const { clock, kafka, producer, append } = await producerOn()
  kafka.fate = (api) => (api === 'Produce' ? 'done-and-lost' : 'answered')
  const lost = append('lost', 0)
  await turns()
  await clock.advance(119_000)
  const waits = append('waits', 1)
  await turns()
  await clock.advance(3_000)
  await expect(lost).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
  kafka.fate = () => 'answered'
  await clock.advance(3_000)
  await waits
  await append('next', 1)
  expect(kafka.valuesOf('a', 1)).toEqual(['waits', 'next'])
  await producer.close()
})

it('asks nobody to abort where nothing is open, and names no group in a commit without offsets', async () => {
  const { kafka, producer, append } = await producerOn({ transactionalId: 'tx' })
  await producer.abort()
  producer.begin()
  await append('one')
  await producer.commit({ group: { groupId: 'g', generation: 1, memberId: 'm', groupInstanceId: null }, offsets: [] })
  await producer.abort()
  expect(kafka.asked.filter((api) => api === 'EndTxn')).toHaveLength(1)
  expect(kafka.asked.filter((api) => api.includes('Offset'))).toEqual([])
  await producer.close()
})
