import { describe, expect, it } from 'vitest'
import { LocalEngine } from '../../../src/core/engine/local-engine.ts'
import { isStreamError, seededRandom } from '../../../src/core/index.ts'
import { ManualClock } from '../../kit/manual-clock.ts'
import { batch, now } from '../../kit/log-fixtures.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'
import type { FileOperation } from '../../kit/memory-file-system.ts'
import { codeOf } from '../../contract/contract-kit.ts'

let seed = 0

function open(fileSystem: MemoryFileSystem): Promise<LocalEngine> {
  return LocalEngine.open({ directory: '/data', fileSystem, clock: new ManualClock(now), random: seededRandom(++seed), internalTopicPartitions: 1, offsetsRetentionMs: 1_000_000 })
}

/** What an append to the partition comes to. */
async function append(engine: LocalEngine, partition: number, value = 'a'): Promise<string> {
  try {
    const { baseOffset } = await engine.append({ topic: 'orders', partition, bytes: batch([value]), recordCount: 1, transactionalId: null, acknowledge: 'durable' })
    return `at ${baseOffset}`
  } catch (error) {
    return isStreamError(error) ? error.code : String(error)
  }
}

/** A disk that calls back when the list of topics is being replaced; what the callback answers happens. */
function diskWith(onCatalog: () => 'ENOSPC' | null): MemoryFileSystem {
  return new MemoryFileSystem({ fault: (operation: FileOperation, path) => (operation === 'rename' && path.endsWith('catalog.json.tmp') ? onCatalog() : null) })
}

describe('deleting records', () => {
  it('goes up to an offset of the log, or with -1 to its end, and takes no other', async () => {
    const engine = await open(new MemoryFileSystem())
    await engine.createTopics([{ topic: 'orders' }])
    for (let count = 0; count < 3; count++) await append(engine, 0)
    const before = async (beforeOffset: number) => (await engine.deleteRecords([{ topic: 'orders', partition: 0, beforeOffset }]))[0]
    expect(await before(0)).toMatchObject({ logStartOffset: 0 })
    expect(await before(2)).toMatchObject({ logStartOffset: 2 })
    expect(await before(1)).toMatchObject({ logStartOffset: 2 })
    for (const offset of [-2, 4]) expect(await codeOf(() => before(offset))).toBe('OFFSET_OUT_OF_RANGE')
    expect(await before(-1)).toMatchObject({ logStartOffset: 3 })
    await engine.close()
  })
})

describe('a partition that is being added', () => {
  it('takes nothing before the catalog has it: after a crash nobody would know of it', async () => {
    const meanwhile: Promise<string>[] = []
    let partition = 0
    const disk = diskWith(() => (meanwhile.push(append(engine, partition)), null))
    const engine = await open(disk)
    await engine.createTopics([{ topic: 'orders' }])
    partition = 1
    await engine.alterTopic('orders', { partitions: 2 })
    expect(await Promise.all(meanwhile)).toEqual(['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_OR_PARTITION'])
    expect([await append(engine, 0), await append(engine, 1)]).toEqual(['at 0', 'at 0'])
    await engine.close()
    expect(disk.openFiles).toBe(0)
  })

  it('is not there when the catalog could not take it, and can be added when there is room', async () => {
    let isFull = true
    const disk = diskWith(() => (isFull ? 'ENOSPC' : null))
    const engine = await open(disk)
    expect(await codeOf(engine.createTopics([{ topic: 'orders' }]))).toBe('STORAGE_FULL')
    expect(await append(engine, 0)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    isFull = false
    await engine.createTopics([{ topic: 'orders' }])
    isFull = true
    expect(await codeOf(engine.alterTopic('orders', { partitions: 2 }))).toBe('STORAGE_FULL')
    expect([await append(engine, 0), await append(engine, 1)]).toEqual(['at 0', 'UNKNOWN_TOPIC_OR_PARTITION'])
    isFull = false
    await engine.alterTopic('orders', { partitions: 2 })
    expect(await append(engine, 1)).toBe('at 0')
    await engine.close()
    expect(disk.openFiles).toBe(0)
    const again = await open(disk)
    expect([await append(again, 0), await append(again, 1)]).toEqual(['at 1', 'at 1'])
    await again.close()
  })
})

describe('a topic', () => {
  it('that could not be removed for good is there after a restart, with what it took since', async () => {
    let failing = 0
    const disk = new MemoryFileSystem({ fault: (operation, path) => (operation === 'sync directory' && path === '/data' && failing-- > 0 ? 'EIO' : null) })
    const engine = await open(disk)
    await engine.createTopics([{ topic: 'orders' }])
    failing = 1
    expect(await codeOf(engine.removeTopics(['orders']))).toBe('STORAGE_ERROR')
    expect(await append(engine, 0)).toBe('at 0')
    const again = await open(disk.kill({}))
    expect(await append(again, 0)).toBe('at 1')
    await again.close()
    await engine.close()
  })
})

describe('a directory', () => {
  it('whose logs cannot all be opened has none open, and opens when they can', async () => {
    let refused = ''
    const disk = new MemoryFileSystem({ fault: (operation, path) => (operation === 'open' && refused !== '' && path.includes(refused) ? 'EIO' : null) })
    const engine = await open(disk)
    await engine.createTopics([{ topic: 'orders', partitions: 40 }])
    for (let partition = 0; partition < 40; partition++) await append(engine, partition)
    await engine.close()
    refused = 'orders-33/'
    expect(await codeOf(open(disk))).toBe('STORAGE_ERROR')
    expect(disk.openFiles).toBe(0)
    refused = ''
    const again = await open(disk)
    expect(await append(again, 33)).toBe('at 1')
    await again.close()
  })
})

describe('the directories of a topic that was removed', () => {
  const directories = (disk: MemoryFileSystem) => disk.list('/data').filter((name) => name.startsWith('orders-'))

  it('go when the log is opened again, where the process ended before they had, and not those of a topic of the same name', async () => {
    let refuses = false
    const disk = new MemoryFileSystem({ fault: (operation, path) => (refuses && operation === 'remove' && path.includes('orders-') ? 'EIO' : null) })
    const engine = await open(disk)
    await engine.createTopics([{ topic: 'orders', partitions: 3 }])
    await append(engine, 2)
    refuses = true
    expect(await codeOf(engine.removeTopics(['orders']))).toBe('STORAGE_ERROR')
    const killed = disk.kill({})
    await (await open(killed)).close()
    expect(directories(killed)).toEqual([])
    refuses = false
    await engine.createTopics([{ topic: 'orders', partitions: 2 }])
    expect(await append(engine, 1)).toBe('at 0')
    const later = disk.kill({})
    const again = await open(later)
    expect(directories(later)).toEqual(['orders-0', 'orders-1'])
    expect(await append(again, 1)).toBe('at 1')
    await again.close()
    await engine.close()
  })
})
