import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ProducerOptions } from '../../../src/core/broker.ts'
import { openEmbeddedBroker } from '../../../src/core/engine/embedded-broker.ts'
import type { EmbeddedBroker } from '../../../src/core/engine/embedded-broker.ts'

const value = Buffer.alloc(1000, 'x')
let directory: string
let broker: EmbeddedBroker

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-producer-'))
  broker = await openEmbeddedBroker({ directory })
  await broker.topics.create([{ topic: 'orders' }])
})
afterEach(async () => {
  await broker.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Appends that much in one turn; the bytes that stand in the log when the turn has not ended yet, and the offsets. */
async function burst(options: ProducerOptions, records: number): Promise<{ readonly writtenInTurn: number; readonly offsets: readonly number[] }> {
  const producer = await broker.openProducer(options)
  if (options.transactionalId !== undefined) producer.begin()
  await producer.append({ topic: 'orders', value })
  const size = () => statSync(join(directory, 'orders-0', '00000000000000000000.log')).size
  const before = size()
  const places = Array.from({ length: records }, () => producer.append({ topic: 'orders', value }))
  const writtenInTurn = size() - before
  const offsets = (await Promise.all(places)).map(({ offset }) => offset)
  if (options.transactionalId !== undefined) await producer.commit()
  await producer.close()
  return { writtenInTurn, offsets }
}

describe('a producer', () => {
  it('sends the first 64 KiB of a burst at once, so that the disk works while the rest comes in, and the rest together', async () => {
    const { writtenInTurn, offsets } = await burst({}, 200)
    expect(writtenInTurn).toBeGreaterThanOrEqual(64 * 1024)
    expect(writtenInTurn).toBeLessThan(66 * 1024)
    expect(offsets).toEqual(Array.from({ length: 200 }, (_, i) => i + 1))
  })

  it('sends nothing early where nobody waits for the disk: in a transaction, and when written is enough', async () => {
    expect((await burst({ transactionalId: 'copy' }, 200)).writtenInTurn).toBe(0)
    expect((await burst({ acknowledge: 'written' }, 200)).writtenInTurn).toBe(0)
  })
})
