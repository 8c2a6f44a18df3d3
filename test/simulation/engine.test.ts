/**
 * The engine under power cuts and kills at any operation on the disk. A program copies records from one topic to two others,
 * records and offsets in one transaction; whatever moment it is stopped at, the outputs are exactly the inputs up to the
 * committed offset, and everything that was acknowledged is there.
 */
import { describe, expect, it } from 'vitest'
import { openEmbeddedBroker, randomInteger, seededRandom } from '../../src/core/index.ts'
import type { Broker, Random } from '../../src/core/index.ts'
import { ManualClock } from '../kit/manual-clock.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'
import { recordOf, visibleValues } from '../contract/contract-kit.ts'

const seeds = Number(process.env['MILLRACE_ENGINE_SEEDS'] ?? 40)
const firstSeed = Number(process.env['MILLRACE_ENGINE_SEED'] ?? 1)

const input = { topic: 'input', partition: 0 }
const outputs = [{ topic: 'output', partition: 0 }, { topic: 'output', partition: 1 }] as const
const groupId = 'copy'
const noMember = { groupId, generation: -1, memberId: '', groupInstanceId: null }

/** What the program was told is done, over all its lives. */
interface Acknowledged {
  readonly inputs: string[]
  offset: number
}

async function committedOffset(broker: Broker): Promise<number> {
  return (await broker.groups.describe(groupId)).offsets[0]?.offset ?? 0
}

async function setUp(broker: Broker): Promise<void> {
  const existing = await broker.topics.list()
  if (!existing.includes('input')) await broker.topics.create([{ topic: 'input' }])
  if (!existing.includes('output')) await broker.topics.create([{ topic: 'output', partitions: 2 }])
}

/** One life of the program: appends inputs, copies what is not copied yet, aborts now and then; ends when the disk fails. */
async function live(broker: Broker, acknowledged: Acknowledged, random: Random): Promise<void> {
  await setUp(broker)
  const feeder = await broker.openProducer()
  const copier = await broker.openProducer({ transactionalId: 'copy' })
  for (;;) {
    const value = `v${acknowledged.inputs.length}`
    await feeder.append(recordOf(input, value))
    acknowledged.inputs.push(value)
    if (randomInteger(random, 3) === 0) continue
    const from = await committedOffset(broker)
    const values = (await visibleValues(broker, input, 'read-committed')).slice(from)
    copier.begin()
    for (const copied of values) for (const output of outputs) await copier.append(recordOf(output, copied!))
    if (randomInteger(random, 4) === 0) await copier.abort()
    else {
      await copier.commit({ group: noMember, offsets: [{ ...input, offset: from + values.length }] })
      acknowledged.offset = from + values.length
    }
  }
}

async function check(broker: Broker, acknowledged: Acknowledged): Promise<void> {
  await setUp(broker)
  const inputs = await visibleValues(broker, input, 'read-committed')
  expect(inputs.slice(0, acknowledged.inputs.length)).toEqual(acknowledged.inputs)
  const offset = await committedOffset(broker)
  expect(offset).toBeGreaterThanOrEqual(acknowledged.offset)
  for (const output of outputs) {
    expect(await visibleValues(broker, output, 'read-committed')).toEqual(inputs.slice(0, offset))
    const ends = await Promise.all((['read-committed', 'read-uncommitted'] as const).map((isolation) => broker.topics.listOffsets([{ ...output, at: 'latest' }], { isolation })))
    expect(ends[0], 'no transaction is left open').toEqual(ends[1])
  }
  acknowledged.inputs.splice(0, acknowledged.inputs.length, ...inputs.map((value) => value!))
  acknowledged.offset = offset
}

async function simulate(seed: number): Promise<void> {
  const random = seededRandom(seed)
  const acknowledged: Acknowledged = { inputs: [], offset: 0 }
  let disk = new MemoryFileSystem({ random })
  for (let life = 0; life < 6; life++) {
    let left = 20 + randomInteger(random, 400)
    let stopped: MemoryFileSystem | null = null
    let fragile = false
    const running = disk.kill({
      random,
      fault() {
        if (!fragile || left-- > 0) return null
        stopped ??= randomInteger(random, 2) === 0 ? running.crash({ random }) : running.kill({ random })
        return 'EIO'
      },
    })
    const broker = await openEmbeddedBroker({ directory: '/data', fileSystem: running, clock: new ManualClock(1_000_000), random })
    await check(broker, acknowledged)
    fragile = true
    await live(broker, acknowledged, random).catch(() => undefined)
    await broker.close().catch(() => undefined)
    expect(stopped, 'the disk ended this life').not.toBeNull()
    disk = stopped!
  }
  const broker = await openEmbeddedBroker({ directory: '/data', fileSystem: disk.kill({ random }), clock: new ManualClock(1_000_000), random })
  await check(broker, acknowledged)
  await broker.close()
}

describe('an exactly-once program that is stopped at any operation on the disk', () => {
  it.each(Array.from({ length: seeds }, (_, index) => firstSeed + index))('finds its outputs equal to its inputs up to the committed offset (seed %i)', async (seed) => {
    await simulate(seed)
  })
})
