/** All that an author of connectors, and an embedder of a Connect worker, needs. */
export type { Clock, Timer, TopicPartition } from '../core/index.ts'
export { durationMs, isStreamError, sleep, StreamError, systemClock } from '../core/index.ts'
export type { Duration } from '../core/index.ts'
export * from './config-spec.ts'
export * from './connect-record.ts'
export * from './connector.ts'
export * from './errors.ts'
export * from './schema.ts'
