import type { ConformanceGroups } from './case-result.ts'
import { runCleaning } from './core-cleaning.ts'
import { runLogFiles } from './core-log-files.ts'
import { runPrimitives } from './core-primitives.ts'
import { runInvalidBatch, runLegacyMessageSet, runRecordBatch } from './core-record-batch.ts'
import { runStreamsFormats } from './core-streams-formats.ts'

/** The groups of `core/` that the log answers for: bytes in memory and bytes on disk. */
export const groups: ConformanceGroups = {
  'primitives': runPrimitives,
  'record-batch': runRecordBatch,
  'record-batch-invalid': runInvalidBatch,
  'message-set-legacy': runLegacyMessageSet,
  'log-files': runLogFiles,
  'streams-formats': runStreamsFormats,
  'behaviour-retention': runCleaning,
  'behaviour-compaction': runCleaning,
}
