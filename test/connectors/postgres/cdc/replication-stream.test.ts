import type { Client, Connection, Submittable } from 'pg'
import { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { ReplicationStream } from '../../../../connectors/postgres/cdc/replication-stream.ts'
import { ManualClock } from '../../../kit/manual-clock.ts'

/** A piece of copy data with so many bytes of a message of the log. */
function piece(contentBytes: number): Buffer {
  const bytes = Buffer.alloc(30 + contentBytes)
  bytes.write('d')
  bytes.writeUInt32BE(bytes.length - 1, 1)
  bytes.write('w', 5)
  return bytes
}

function opened() {
  const clock = new ManualClock(0)
  const socket = new Duplex({ read() {}, write(_chunk, _encoding, done) { done() } })
  const connection = { stream: socket, query: () => undefined, sendCopyFromChunk: () => undefined }
  const client = { on: () => undefined, query: (query: Submittable) => query.submit(connection as unknown as Connection) } as unknown as Client
  const options = { slot: 's', publication: 'p', startLsn: 0n, messages: true, durableLsn: 0n, statusIntervalMs: 5_000, maxQueuedBytes: 100_000, silenceTimeoutMs: 60_000 }
  const stream = new ReplicationStream(client, clock, options)
  stream.start()
  return { clock, socket, stream, take: () => stream.take(1_000, new AbortController().signal) }
}

describe('a ReplicationStream', () => {
  it('lets what comes in many small pieces gather in the socket, and what comes alone through at once', async () => {
    const { clock, socket, take } = opened()
    for (let index = 0; index < 10; index++) {
      socket.emit('data', piece(10))
      expect(socket.isPaused(), `alone, piece ${index}`).toBe(false)
      await clock.advance(10)
    }
    for (let index = 0; index < 10; index++) socket.emit('data', piece(10))
    expect(socket.isPaused()).toBe(true)
    await clock.advance(1)
    expect(socket.isPaused()).toBe(false)
    expect((await take())?.messageCount).toBe(20)
  })

  it('does not read on after a rest while its queue is full', async () => {
    const { clock, socket, stream, take } = opened()
    for (let index = 0; index < 10; index++) socket.emit('data', piece(20_000))
    expect(stream.queuedBytes).toBeGreaterThan(100_000)
    await clock.advance(1)
    expect(socket.isPaused()).toBe(true)
    while (!stream.isEmpty) await take()
    expect(socket.isPaused()).toBe(false)
  })
})
