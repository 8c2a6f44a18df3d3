/** A data directory as a power cut leaves it when the last commits went through the journal. */
import { createHash } from 'node:crypto'
import { openEmbeddedBroker } from '../../src/core/index.ts'
import { scanBatches } from '../../src/core/log/batch-scan.ts'
import { ManualClock } from './manual-clock.ts'
import { MemoryFileSystem } from './memory-file-system.ts'

const directory = '/data'
const partitions = 4

/** Of topic `orders`: one record into each of four partitions, three times, committed. */
export const committedValues = Array.from({ length: 12 }, (_, i) => `value-${i}`)

export async function afterPowerCut(): Promise<MemoryFileSystem> {
  // Nothing that was not synced is left.
  const disk = new MemoryFileSystem({ random: { next: () => 0 } })
  const broker = await openEmbeddedBroker({ directory, fileSystem: disk, clock: new ManualClock() })
  await broker.topics.create([{ topic: 'orders', partitions }])
  const producer = await broker.openProducer({ transactionalId: 'till' })
  for (let first = 0; first < committedValues.length; first += partitions) {
    producer.begin()
    for (let partition = 0; partition < partitions; partition++) void producer.append({ topic: 'orders', partition, value: Buffer.from(committedValues[first + partition]!) })
    await producer.commit()
  }
  return disk.crash()
}

/** All files, but for the mark of the process that has the directory, with a hash of their bytes. */
export function filesOf(disk: MemoryFileSystem): Readonly<Record<string, string>> {
  const folders = [directory, ...Array.from({ length: partitions }, (_, partition) => `${directory}/orders-${partition}`)]
  const paths = folders.flatMap((folder) => disk.list(folder).map((name) => `${folder}/${name}`)).filter((path) => disk.stat(path)?.isDirectory === false)
  return Object.fromEntries(paths.filter((path) => !path.endsWith('/.lock')).map((path) => [path, createHash('sha1').update(disk.bytesOf(path)).digest('hex')]))
}

/** What the files of the partitions hold, without the journal, in the order of `committedValues`. */
export function valuesOf(disk: MemoryFileSystem): readonly string[] {
  const values: string[] = []
  for (let partition = 0; partition < partitions; partition++) {
    const file = disk.open(`${directory}/orders-${partition}/00000000000000000000.log`, 'read')
    scanBatches(file, 0, file.sizeBytes(), (batch) => {
      if (!batch.isControl) for (const record of batch) values.push(Buffer.from(record.value!).toString())
    })
    file.close()
  }
  return values.toSorted((a, b) => Number(a.slice(6)) - Number(b.slice(6)))
}
