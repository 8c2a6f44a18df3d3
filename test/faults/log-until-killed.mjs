// node log-until-killed.mjs SEED DIRECTORIES [FAILPOINT COUNT]: in each directory (paths with commas between) it appends to three
// partitions' logs without end, record n at offset n of each; one is cut by retention, one compacted by key n % 8, and one deleted and
// made anew now and then; now and then all are closed and opened. A line `ready` says that a directory's logs are open, and a line
// `acknowledged I N` follows each sync of directory I. It is meant to be killed; with a failpoint (log-failpoints.mjs) it kills itself
// when that was passed COUNT times.
import { join } from 'node:path'
import {
  PartitionLog, RecordBatchBuilder, defaultLogConfig, nodeFileSystem, randomInteger, sealBatch, seededRandom, systemClock,
} from '../../dist/test/kit/log-parts.js'
import { killedAt } from './log-failpoints.mjs'

const [seed, directories, failpoint, count] = process.argv.slice(2)
const fileSystem = failpoint === undefined ? nodeFileSystem : killedAt(nodeFileSystem, failpoint, Number(count))
const random = seededRandom(Number(seed))
const small = { ...defaultLogConfig, segmentBytes: 4000, indexIntervalBytes: 500, minCleanableRatio: 0 }
const configs = {
  'retained-0': { ...small, retentionBytes: 20_000 },
  'compacted-0': { ...small, cleanup: { delete: false, compact: true } },
  'deleted-0': small,
}
const builder = new RecordBatchBuilder({ maxBytes: 100_000 })

function batch(n) {
  builder.add(Buffer.from(String(n % 8)), Buffer.from(String(n).padEnd(randomInteger(random, 300), '.')), systemClock.now())
  const { bytes } = builder.build()
  sealBatch(bytes, { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false })
  return bytes
}

const numbered = (from, count) => Array.from({ length: count }, (_, i) => from + i)

async function run(directory, index) {
  const openOne = (name) => PartitionLog.open({ directory: join(directory, name), name, fileSystem, clock: systemClock, config: configs[name] })
  const open = () => Promise.all(Object.keys(configs).map(openOne))
  let [retained, compacted, deleted] = await open()
  // Killed between the two appends: the one that has less goes on first.
  for (const log of [retained, compacted]) while (log.logEndOffset < Math.max(retained.logEndOffset, compacted.logEndOffset)) log.append(batch(log.logEndOffset), 'builder')
  process.stdout.write('ready\n')
  for (let step = 0; ; step++) {
    const logs = [retained, compacted, deleted]
    const count = 1 + randomInteger(random, 6)
    const last = retained.logEndOffset + count - 1
    if (step % 2 === 0) {
      for (let i = 0; i < count; i++) for (const log of logs) log.append(batch(log.logEndOffset), 'builder')
      await Promise.all(logs.map((log) => log.sync()))
    } else {
      // All at once: the first keeps the disk busy, and the others are gathered.
      await Promise.all(logs.flatMap((log) => numbered(log.logEndOffset, count).map((n) => log.appendDurably(batch(n)))))
    }
    process.stdout.write(`acknowledged ${index} ${last}\n`)
    if (step % 7 === 3) await Promise.all([retained.applyRetention(), compacted.compact(() => new Promise(setImmediate))])
    if (step % 11 === 5) await retained.deleteRecordsBefore(Math.max(retained.logStartOffset, retained.highWatermark - 100))
    if (step % 17 === 9) {
      await deleted.remove()
      deleted = await openOne('deleted-0')
    }
    if (step % 25 !== 24) continue
    await Promise.all([retained.close(), compacted.close(), deleted.close()])
    ;[retained, compacted, deleted] = await open()
  }
}

await Promise.all(directories.split(',').map(run))
