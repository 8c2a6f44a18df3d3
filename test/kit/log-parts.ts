/** What the programs that tests kill build their logs of, from the build. */
export { systemClock } from '../../src/core/clock.ts'
export { nodeFileSystem } from '../../src/core/log/file-system.ts'
export { defaultLogConfig } from '../../src/core/log/log-config.ts'
export { PartitionLog } from '../../src/core/log/partition-log.ts'
export { RecordBatchBuilder } from '../../src/core/log/record-batch-builder.ts'
export { sealBatch } from '../../src/core/log/record-batch.ts'
export { randomInteger, seededRandom } from '../../src/core/random.ts'
