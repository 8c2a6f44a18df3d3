import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageChannel, Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import { RecordBatchBuilder, isStreamError, openEmbeddedBroker, openPortBroker, servePort } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { brokerContract } from '../../contract/broker-suite.ts'
import { PollingMember, codeOf, createTopic, errorOf, eventually, freshName, readValues, recordOf, visibleValues } from '../../contract/contract-kit.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'

const cleanUps: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function openTemporaryBroker(): Promise<{ readonly broker: Broker; readonly stop: () => Promise<void> }> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-port-'))
  const broker = await openEmbeddedBroker({ directory })
  const stop = async () => {
    await broker.close()
    rmSync(directory, { recursive: true })
  }
  return { broker, stop }
}

function connectTo(broker: Broker): Broker {
  const { port1, port2 } = new MessageChannel()
  servePort(broker, port1)
  return openPortBroker({ port: port2 })
}

brokerContract('PortBroker', {
  async start() {
    const { broker, stop } = await openTemporaryBroker()
    const clients: Broker[] = []
    return {
      async connect() {
        clients.push(connectTo(broker))
        return clients.at(-1)!
      },
      async stop() {
        await Promise.all(clients.map((client) => client.close()))
        await stop()
      },
    }
  },
})

describe('a port that dies', () => {
  async function started() {
    const { broker, stop } = await openTemporaryBroker()
    cleanUps.push(stop)
    const { port1, port2 } = new MessageChannel()
    const server = servePort(broker, port1)
    return { broker, server, clientPort: port2, client: openPortBroker({ port: port2 }) }
  }

  it('fails every call under way and every later one on the client side', async () => {
    const { server, client } = await started()
    const topic = await createTopic(client)
    const reader = await client.openReader()
    reader.assign([{ topic, partition: 0, offset: 0 }])
    const reading = codeOf(reader.read({ maxWaitMs: 60_000 }))
    server.close()
    expect(await reading).toBe('BACKEND_UNAVAILABLE')
    expect(await codeOf(client.topics.list())).toBe('BACKEND_UNAVAILABLE')
    expect(await codeOf(client.openProducer())).toBe('BACKEND_UNAVAILABLE')
    await client.close()
  })

  it('releases what the client held: its members are out, its transaction is aborted', async () => {
    const { broker, client, clientPort } = await started()
    const topic = await createTopic(broker, { partitions: 2 })
    const groupId = freshName('group')
    const stays = await PollingMember.join(broker, { groupId, topics: [topic] })
    const dies = await PollingMember.join(client, { groupId, topics: [topic] })
    await eventually(async () => expect([...stays.assigned, ...dies.assigned]).toHaveLength(2))
    const producer = await client.openProducer({ transactionalId: freshName('tx') })
    producer.begin()
    await producer.append(recordOf({ topic, partition: 0 }, 'left open'))
    clientPort.close()
    await eventually(async () => expect(stays.assigned).toHaveLength(2))
    const plain = await broker.openProducer()
    await plain.append(recordOf({ topic, partition: 0 }, 'next'))
    expect(await readValues(broker, { topic, partition: 0 }, { count: 1 })).toEqual(['next'])
    await stays.leave()
    expect(await codeOf(dies.stop())).toBe('BACKEND_UNAVAILABLE')
  })
})

describe('a client that closes', () => {
  it('while it waits to join a group leaves no member behind', async () => {
    const { broker, stop } = await openTemporaryBroker()
    cleanUps.push(stop)
    const topic = await createTopic(broker)
    const groupId = freshName('group')
    const stuck = await broker.joinGroup({ groupId, topics: [topic] })
    const client = connectTo(broker)
    const joining = codeOf(client.joinGroup({ groupId, topics: [topic] }))
    await eventually(async () => expect((await broker.groups.describe(groupId)).members).toHaveLength(2))
    await client.close()
    expect(await joining).toBe('CLOSED')
    await eventually(async () => expect((await broker.groups.describe(groupId)).members).toHaveLength(1))
    await stuck.leave()
  })
})

describe('appends under way through a port', () => {
  it('have each its own bytes, though the memory they went in comes back and is used again', async () => {
    const { broker, stop } = await openTemporaryBroker()
    cleanUps.push(stop)
    const client = connectTo(broker)
    const topic = await createTopic(broker)
    const target = { topic, partition: 0 }
    const producer = await client.openProducer()
    const values = Array.from({ length: 60 }, (_, index) => `${index} `.repeat(8_000 + 100 * (index % 7)))
    for (let from = 0; from < values.length; from += 4) {
      await Promise.all(values.slice(from, from + 4).map((value) => {
        const builder = new RecordBatchBuilder({ maxBytes: 100_000 })
        builder.add(null, Buffer.from(value), 1000)
        return producer.appendBatch(target, builder.build())
      }))
    }
    const read = await visibleValues(broker, target, 'read-uncommitted')
    expect(read.map((value, index) => value === values[index])).toEqual(values.map(() => true))
    await client.close()
  })

  it('are refused together when the disk is full, and go on in order when there is room', async () => {
    let isFull = false
    const broker = await openEmbeddedBroker({ directory: '/data', fileSystem: new MemoryFileSystem({ fault: (operation) => (isFull && operation === 'write' ? 'ENOSPC' : null) }) })
    const client = connectTo(broker)
    const topic = await createTopic(broker)
    const target = { topic, partition: 0 }
    const producer = await client.openProducer()
    const appendBatches = (values: readonly string[]) => Promise.allSettled(values.map((value) => {
      const builder = new RecordBatchBuilder({ maxBytes: 1000 })
      builder.add(null, Buffer.from(value), 1000)
      return producer.appendBatch(target, builder.build())
    }))
    expect((await appendBatches(['a', 'b'])).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
    isFull = true
    const refused = await appendBatches(['c', 'd', 'e'])
    expect(refused.map((result) => result.status === 'rejected' && isStreamError(result.reason, 'STORAGE_FULL') && result.reason.retriable)).toEqual([true, true, true])
    isFull = false
    expect((await appendBatches(['f', 'g'])).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
    expect(await visibleValues(broker, target, 'read-uncommitted')).toEqual(['a', 'b', 'f', 'g'])
    await client.close()
    await broker.close()
  })

  it('behind a batch that is refused for itself can be appended again', async () => {
    const { broker, stop } = await openTemporaryBroker()
    cleanUps.push(stop)
    const client = connectTo(broker)
    const topic = await createTopic(broker, { configs: { 'max.message.bytes': '500' } })
    const target = { topic, partition: 0 }
    const producer = await client.openProducer()
    const appendBatch = (value: string) => {
      const builder = new RecordBatchBuilder({ maxBytes: 2000 })
      builder.add(null, Buffer.from(value), 1000)
      return producer.appendBatch(target, builder.build())
    }
    await appendBatch('first')
    const tooLarge = codeOf(appendBatch('x'.repeat(1000)))
    const behind = errorOf(appendBatch('behind'))
    expect(await tooLarge).toBe('RECORD_TOO_LARGE')
    expect(await behind).toMatchObject({ code: 'ABORTED', retriable: true })
    await appendBatch('behind')
    expect(await visibleValues(broker, target, 'read-uncommitted')).toEqual(['first', 'behind'])
    await client.close()
  })
})

describe('a worker thread', () => {
  it('appends, commits and reads through the port while the log stays in the main thread', async () => {
    const { broker, stop } = await openTemporaryBroker()
    cleanUps.push(stop)
    const topic = await createTopic(broker, { partitions: 2 })
    const { port1, port2 } = new MessageChannel()
    const server = servePort(broker, port1)
    const entry = new URL('../../../dist/src/core/index.js', import.meta.url).href
    const worker = new Worker(`
      const { workerData, parentPort } = require('node:worker_threads')
      import(workerData.entry).then(async ({ openPortBroker, RecordBatchBuilder }) => {
        const broker = openPortBroker({ port: workerData.port })
        const producer = await broker.openProducer({ transactionalId: 'worker' })
        producer.begin()
        const builder = new RecordBatchBuilder({ maxBytes: 65536 })
        for (let i = 0; i < 1000; i++) builder.add(null, Buffer.from('value ' + i), 1000)
        await producer.appendBatch({ topic: workerData.topic, partition: 1 }, builder.build())
        await producer.commit()
        const reader = await broker.openReader()
        reader.assign([{ topic: workerData.topic, partition: 1, offset: 500 }])
        const { partitions } = await reader.read()
        parentPort.postMessage([...partitions[0].batches[0]].map((record) => Buffer.from(record.value).toString()))
        producer.begin()
        await producer.append({ topic: workerData.topic, partition: 1, value: Buffer.from('never') })
        parentPort.postMessage('open')
      })
    `, { eval: true, workerData: { entry, topic, port: port2 }, transferList: [port2] })
    const messages: unknown[] = []
    worker.on('message', (message) => messages.push(message))
    await eventually(async () => expect(messages).toHaveLength(2))
    expect(messages[0]).toEqual(Array.from({ length: 500 }, (_, index) => `value ${500 + index}`))
    await worker.terminate()
    const plain = await broker.openProducer()
    await plain.append(recordOf({ topic, partition: 1 }, 'after'))
    await readValues(broker, { topic, partition: 1 }, { count: 1001 })
    expect((await visibleValues(broker, { topic, partition: 1 }, 'read-committed')).at(-1)).toBe('after')
    server.close()
  })
})
