import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'
import { kafkaJsClient } from '../../../src/core/kafka/kafkajs-client.ts'
import { openKafkaBroker } from '../../../src/core/kafka/open-kafka-broker.ts'

const servers: Server[] = []
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))))
})

async function serverThat(answers: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined))
    socket.on('data', () => answers(socket))
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

const connect = (port: number, connectionTimeoutMs = 20_000) => kafkaJsClient({ ssl: false, sasl: null, connectionTimeoutMs, clock: systemClock }).connect({ host: '127.0.0.1', port }, 'test')

describe('kafkaJsClient', () => {
  it('gives up on a server that accepts and says nothing', async () => {
    const port = await serverThat(() => undefined)
    await expect(connect(port, 300)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE', retriable: true, message: expect.stringMatching(/does not speak Kafka's protocol within 300 ms/) as string })
  })

  it('gives up on a server of another protocol', async () => {
    const port = await serverThat((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    await expect(connect(port)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
  })

  it('gives up on an answer that breaks off', async () => {
    const port = await serverThat((socket) => socket.write(Buffer.from([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]).fill(9, 8)))
    await expect(connect(port)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE', message: expect.stringMatching(/is a Kafka broker listening there/) as string })
  })

  it('names the broker that nobody listens at', async () => {
    const port = await serverThat(() => undefined)
    await new Promise((resolve) => servers.pop()!.close(resolve))
    await expect(connect(port)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE', message: expect.stringContaining(`127.0.0.1:${port}`) as string })
    await expect(openKafkaBroker({ brokers: [`127.0.0.1:${port}`] })).rejects.toMatchObject({ message: expect.stringMatching(/^no Kafka broker answers \(127\.0\.0\.1:\d+\): /) as string })
  })
})

describe('openKafkaBroker', () => {
  it('refuses what is not an address', async () => {
    for (const brokers of [[], undefined as never, 'localhost:9092' as never, [5 as never], ['localhost'], ['localhost:0'], ['localhost:99999'], ['http://localhost:9092'], ['a b:1']]) {
      await expect(openKafkaBroker({ brokers })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
  })
})
