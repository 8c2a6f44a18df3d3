import { describe, expect, it } from 'vitest'
import { checkPartition } from '../../../src/core/log/check.ts'
import { batch, directory, now, open } from '../../kit/log-fixtures.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'

const config = { segmentBytes: 700, indexIntervalBytes: 50 }

async function write(): Promise<MemoryFileSystem> {
  const disk = new MemoryFileSystem()
  const log = await open(disk, config)
  for (let i = 0; i < 6; i++) {
    log.append(batch([`plain-${i}`, 'x'], {}, now + ((i * 7) % 5)), 'builder')
    log.append(batch([`transacted-${i}`], { producerId: 2, producerEpoch: 0, baseSequence: i, transactional: true }), 'builder')
    log.appendMarker({ producerId: 2, producerEpoch: 0, coordinatorEpoch: 0, type: i % 2 === 0 ? 'commit' : 'abort', timestamp: now })
  }
  await log.sync()
  await log.close()
  return disk
}

describe('checkPartition', () => {
  it('finds nothing in what was written, and counts it', async () => {
    const disk = await write()
    expect(checkPartition(disk, directory)).toMatchObject({ batches: 18, records: 24, findings: [] })
    expect(disk.openFiles).toBe(0)
  })

  it('finds each damaged byte of batches, indexes and snapshots, and names its file', async () => {
    const disk = await write()
    for (const name of disk.list(directory).filter((file) => /\.(log|index|timeindex|txnindex|snapshot)$/.test(file))) {
      const path = `${directory}/${name}`
      const bytes = disk.bytesOf(path)
      for (let at = 0; at < bytes.length; at++) {
        const changed = Uint8Array.from(bytes)
        changed[at]! ^= 1 << (at % 8)
        disk.setBytes(path, changed)
        const { findings } = checkPartition(disk, directory)
        if (isLeaderEpoch(name, bytes, at)) expect(findings).toEqual([])
        else if (!isOffsetOfLastBatch(name, bytes, at)) expect(findings.map((finding) => finding.path), `byte ${at} of ${name}`).toContain(path)
        else expect(findings, `byte ${at} of ${name}`).not.toEqual([])
      }
      disk.setBytes(path, bytes)
    }
  }, 60_000)

  it('does not mind an index that is missing: it is made again', async () => {
    const disk = await write()
    for (const name of disk.list(directory)) if (/\.(index|timeindex|checkpoint)$/.test(name)) disk.remove(`${directory}/${name}`)
    expect(checkPartition(disk, directory).findings).toEqual([])
  })
})

function placeOf(bytes: Uint8Array, at: number): { readonly inBatch: number; readonly isLast: boolean } {
  for (let position = 0; ;) {
    const size = 12 + new DataView(bytes.buffer, bytes.byteOffset + position).getInt32(8)
    if (at < position + size) return { inBatch: at - position, isLast: position + size === bytes.length }
    position += size
  }
}

/** Neither a checksum nor an order holds it, and nothing depends on it. */
function isLeaderEpoch(name: string, bytes: Uint8Array, at: number): boolean {
  if (!name.endsWith('.log')) return false
  const { inBatch } = placeOf(bytes, at)
  return inBatch >= 12 && inBatch < 16
}

/** Seen by what follows: the next segment, or an index. */
function isOffsetOfLastBatch(name: string, bytes: Uint8Array, at: number): boolean {
  return name.endsWith('.log') && placeOf(bytes, at).inBatch < 8
}
