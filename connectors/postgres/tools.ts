/** What the console does with a database: one connection, from the first question to the last. */
import { Password, connectorError } from 'millrace/connect'
import type { Client } from 'pg'
import { tableTypes } from './catalog-types/table-types.ts'
import type { TableTypesOptions } from './catalog-types/table-types-options.ts'
import { endClient, openClient, serverOf } from './connection.ts'
import { diagnose } from './doctor/diagnose.ts'
import type { DiagnoseOptions, Finding } from './doctor/finding.ts'
import { failureOf, workerError } from './failures.ts'
import type { ServerError } from './failures.ts'

export type { DiagnoseOptions, Finding, TableTypesOptions }

/** What stands in the way of capturing changes, or will. @throws an error that names the server, without its password */
export function diagnosePostgres(url: string, options: DiagnoseOptions): Promise<readonly Finding[]> {
  return withDatabase(url, (client) => diagnose(client, options))
}

/** A TypeScript module with the types of the topics. @throws an error that names the server, without its password */
export function postgresTypes(url: string, options: TableTypesOptions): Promise<string> {
  return withDatabase(url, (client) => tableTypes(client, options))
}

async function withDatabase<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  if (!/^(jdbc:)?postgres(ql)?:\/\//.test(url)) throw connectorError('the address of a database is postgres://user:password@host:port/database')
  const config = { 'connection.url': new Password(url), 'connection.user': null, 'connection.password': null, 'connection.timeout.ms': 10_000, 'statement.timeout.ms': 60_000 }
  try {
    const client = await openClient(config, { application_name: 'millrace' })
    try {
      return await use(client)
    } finally {
      await endClient(client)
    }
  } catch (error) {
    if (failureOf(error) !== 'environment') throw workerError(serverOf(config), error)
    const { message, code } = error as ServerError
    throw connectorError(`PostgreSQL at ${serverOf(config)} cannot be reached (${message || String(code)}): does the server run, and is the address right?`, { cause: error })
  }
}
