/** What PostgreSQL's refusals mean for the batch that met them. */
import { connectorError, dataError, retriableError } from 'millrace/connect'

/** The fields of an error from the server that are used here. */
export interface ServerError extends Error {
  readonly code?: string
  readonly detail?: string
  readonly column?: string
  readonly table?: string
  readonly constraint?: string
  readonly hint?: string
  /** The server's function that raised it. */
  readonly routine?: string
}

export type Failure =
  /** The data of one of the records: find it, put it aside, go on. */
  | 'record'
  /** The server, the network or another transaction: the same batch later. */
  | 'environment'
  /** The table changed under us: look at it again, then once more. */
  | 'table'
  /** Permissions, missing objects, wrong configuration: a person is needed. */
  | 'setup'
  /** A mistake of ours, or of the driver: it would be made again. */
  | 'bug'

const mistakes = [TypeError, RangeError, ReferenceError, SyntaxError]

/** By SQLSTATE; an error without one comes from the network or the driver. */
export function failureOf(error: unknown): Failure {
  const { code } = error as ServerError
  if (code === undefined || !/^[0-9A-Z]{5}$/.test(code)) return mistakes.some((mistake) => error instanceof mistake) ? 'bug' : 'environment'
  // Data exceptions, constraints, two rows of one key that were not seen to be one, a value for a generated column; what a trigger raises, a value that is too large for an index.
  if (/^(21|22|23|44|54|P0)/.test(code) || code === '428C9' || isRefusedByPolicy(error as ServerError)) return 'record'
  if (['42P01', '42703', '42804', '0A000', '42P10'].includes(code)) return 'table'
  // connection, rollback, resources, locks, shutdown, disk; a server that only reads, since another one may be there soon, and time-outs of a transaction
  if (/^(08|40|53|55|57|58|XX)/.test(code) || ['25006', '25P03', '25P04'].includes(code)) return 'environment'
  return 'setup'
}

/** A policy for rows refuses a row with the code of a permission that is missing. */
function isRefusedByPolicy({ code, routine }: ServerError): boolean {
  return code === '42501' && routine === 'ExecWithCheckOptions'
}

export function recordError(table: string, error: unknown): Error {
  const { message, detail, column, constraint } = error as ServerError
  const where = [column === undefined ? '' : `column "${column}"`, constraint === undefined ? '' : `constraint "${constraint}"`].filter((part) => part !== '')
  return dataError(`table ${table} refuses the record${where.length > 0 ? ` (${where.join(', ')})` : ''}: ${sentence(message, detail)}`, { cause: error })
}

/** What is checked at the end of a transaction, such as a deferred constraint, and refused for the data of one of its records. */
export function commitError(server: string, error: unknown): Error {
  return dataError(refusal(server, error), { cause: error })
}

/** What the worker is told of an error that is no record's: to wait, or that a person is needed. A mistake is left as it is, with its stack. */
export function workerError(server: string, error: unknown): unknown {
  const failure = failureOf(error)
  if (failure === 'bug') return error
  return failure === 'environment' ? environmentError(server, error) : setupError(server, error)
}

function environmentError(server: string, error: unknown): Error {
  const { code, message } = error as ServerError
  return retriableError(`PostgreSQL at ${server} cannot take records now: ${message || String(code)}`, { cause: error })
}

function setupError(server: string, error: unknown): Error {
  return connectorError(refusal(server, error), { cause: error })
}

function refusal(server: string, error: unknown): string {
  const { message, detail, hint } = error as ServerError
  return `PostgreSQL at ${server} refuses: ${sentence(message, detail, hint)}`
}

function sentence(...parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== '').join('. ')
}
