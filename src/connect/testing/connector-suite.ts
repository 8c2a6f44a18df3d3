import { sinkSuite } from './sink-suite.ts'
import type { SinkSuiteOptions } from './sink-suite.ts'
import { sourceSuite } from './source-suite.ts'
import type { SourceSuiteOptions } from './source-suite.ts'
import type { SuiteCheck } from './suite-check.ts'

/**
 * Checks the work of a connector's author: its config spec, how it divides its work, its positions, that it goes on where it stopped,
 * loses nothing when it is killed, and stops promptly. The task runs as a worker would run it, but without one.
 *
 * A source is given a system to read, a sink one to write and a maker of records; docs/guide/write-a-connector.md has an example.
 */
export function connectorSuite(options: SourceSuiteOptions | SinkSuiteOptions): readonly SuiteCheck[] {
  return 'record' in options ? sinkSuite(options) : sourceSuite(options)
}
