/** The errors that connectors, converters and transforms throw, and what each makes the worker do. */
import { StreamError } from '../core/index.ts'
import type { StreamErrorOptions } from '../core/index.ts'

type Facts = Omit<StreamErrorOptions, 'retriable'>

/** The outside world is away for now: the worker waits with back-off and makes the same call again. */
export function retriableError(message: string, options: Facts = {}): StreamError {
  return new StreamError('CONNECTOR_FAILED', message, { ...options, retriable: true })
}

/** The task cannot go on: it fails, and is restarted if the restart policy says so. */
export function connectorError(message: string, options: Facts = {}): StreamError {
  return new StreamError('CONNECTOR_FAILED', message, options)
}

/** A record's data does not have the shape its schema, a converter or a transform needs: `errors.tolerance` decides. */
export function dataError(message: string, options: Facts = {}): StreamError {
  return new StreamError('INVALID_DATA', message, options)
}

/** Bad configuration: the connector does not start. `details.key` names the key where there is one. */
export function configError(message: string, options: Facts = {}): StreamError {
  return new StreamError('INVALID_CONFIG', message, options)
}

/** What an unknown thing that was thrown says, for people. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
