// node log-until-killed.mjs DIRECTORY SEED: appends to two partitions' logs without end, record n at offset n of both; one is cut by
// retention, the other compacted by key n % 8; now and then both are closed and opened. A line `acknowledged N` follows each sync. It is
// meant to be killed.
import { join } from 'node:path'
import { systemClock } from '../../dist/src/core/clock.js'
import { nodeFileSystem } from '../../dist/src/core/log/file-system.js'
import { defaultLogConfig } from '../../dist/src/core/log/log-config.js'
import { PartitionLog } from '../../dist/src/core/log/partition-log.js'
import { RecordBatchBuilder } from '../../dist/src/core/log/record-batch-builder.js'
import { sealBatch } from '../../dist/src/core/log/record-batch.js'
import { randomInteger, seededRandom } from '../../dist/src/core/random.js'

const [directory, seed] = process.argv.slice(2)
const random = seededRandom(Number(seed))
const small = { ...defaultLogConfig, segmentBytes: 4000, indexIntervalBytes: 500, minCleanableRatio: 0 }
const configs = {
  'retained-0': { ...small, retentionBytes: 20_000 },
  'compacted-0': { ...small, cleanup: { delete: false, compact: true } },
}
const builder = new RecordBatchBuilder({ maxBytes: 100_000 })

function batch(n) {
  builder.add(Buffer.from(String(n % 8)), Buffer.from(String(n).padEnd(randomInteger(random, 300), '.')), systemClock.now())
  const { bytes } = builder.build()
  sealBatch(bytes, { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false })
  return bytes
}

const open = () => Promise.all(Object.entries(configs).map(([name, config]) => PartitionLog.open({ directory: join(directory, name), name, fileSystem: nodeFileSystem, clock: systemClock, config })))

let [retained, compacted] = await open()
// Killed between the two appends: the one that has less goes on first.
for (const log of [retained, compacted]) while (log.logEndOffset < Math.max(retained.logEndOffset, compacted.logEndOffset)) log.append(batch(log.logEndOffset), 'builder')
process.stdout.write('ready\n')
for (let step = 0; ; step++) {
  for (let count = randomInteger(random, 6); count >= 0; count--) for (const log of [retained, compacted]) log.append(batch(log.logEndOffset), 'builder')
  const last = retained.logEndOffset - 1
  await Promise.all([retained.sync(), compacted.sync()])
  process.stdout.write(`acknowledged ${last}\n`)
  if (step % 7 === 3) await Promise.all([retained.applyRetention(), compacted.compact(() => new Promise(setImmediate))])
  if (step % 11 === 5) await retained.deleteRecordsBefore(Math.max(retained.logStartOffset, retained.highWatermark - 100))
  if (step % 40 !== 39) continue
  await Promise.all([retained.close(), compacted.close()])
  ;[retained, compacted] = await open()
}
