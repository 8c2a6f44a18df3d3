/** What is read again and again: a table or a query, with the columns that order its rows. */
import { connectorError } from 'millrace/connect'
import type { Client } from 'pg'
import type { CapturedTable } from '../cdc/catalog.ts'
import { quotedTable } from '../cdc/catalog.ts'
import type { PostgresQueryConfig } from '../query-config.ts'
import { quoteName } from '../sink/sql-text.ts'
import { topicName } from '../topic-name.ts'

/** Of the transaction that wrote the row, and of the place where it stands: never part of a record. */
export const xidColumn = '__xid'
export const placeColumn = '__tid'

export interface OrderColumn {
  readonly name: string
  readonly type: string
}

export interface Relation {
  /** `schema.table`, or `query`. */
  readonly name: string
  readonly topic: string
  /** A select without order. */
  readonly sql: string
  readonly keyColumns: readonly string[]
  /** The rows' order; the first of them has an index, it is hoped. Empty: bulk. */
  readonly order: readonly OrderColumn[]
  /** Whether rows tell which transaction wrote them. */
  readonly hasXid: boolean
}

export async function tableRelation(client: Client, table: CapturedTable, config: PostgresQueryConfig): Promise<Relation> {
  const sql = `select t.*, t.xmin as ${xidColumn}, t.ctid as ${placeColumn} from ${quotedTable(table)} t`
  const types = await columnTypes(client, sql)
  const named = orderColumns(config, table.name, types)
  const ties = config['incrementing.column'] !== null ? [] : table.keyColumns.length > 0 ? table.keyColumns : [{ name: placeColumn, type: 'tid' }]
  return {
    name: table.name,
    topic: topicName(config['topic.prefix'] + table.table),
    sql,
    keyColumns: table.keyColumns.map(({ name }) => name),
    order: named.length === 0 ? [] : [...named, ...ties.filter(({ name }) => named.every((column) => column.name !== name))],
    hasXid: true,
  }
}

/** @throws a connector error when rows of the same time could be lost */
export async function queryRelation(client: Client, config: PostgresQueryConfig): Promise<Relation> {
  const sql = config.query!.trim().replace(/;$/u, '')
  const types = await columnTypes(client, sql)
  const hasXid = types.has(xidColumn)
  if (config.mode === 'timestamp') {
    throw connectorError('with a query, rows of the same time have no order to go on in: set mode=timestamp+incrementing and incrementing.column to a column that tells them apart')
  }
  return { name: 'query', topic: config['topic.prefix'], sql, keyColumns: [], order: orderColumns(config, 'the query', types), hasXid }
}

function orderColumns(config: PostgresQueryConfig, where: string, types: ReadonlyMap<string, string>): OrderColumn[] {
  const names = [config['timestamp.column'], config['incrementing.column']].filter((name, index) => name !== null && config.mode.includes(index === 0 ? 'timestamp' : 'incrementing'))
  return names.map((name) => {
    const type = types.get(name!)
    if (type === undefined) throw connectorError(`${where} has no column "${name}"; it has ${[...types.keys()].filter((each) => each !== xidColumn && each !== placeColumn).join(', ')}`)
    return { name: name!, type }
  })
}

async function columnTypes(client: Client, sql: string): Promise<ReadonlyMap<string, string>> {
  const { fields } = await client.query(`select * from (${sql}) q limit 0`)
  const { rows } = await client.query<{ oid: string; type: string }>('select oid::int8 as oid, format_type(oid, null) as type from pg_type where oid = any ($1::oid[])', [fields.map(({ dataTypeID }) => dataTypeID)])
  const byOid = new Map(rows.map(({ oid, type }) => [Number(oid), type]))
  return new Map(fields.map(({ name, dataTypeID }) => [name, byOid.get(dataTypeID) ?? 'text']))
}

export interface Window {
  /** Rows of transactions from this one on … */
  readonly from: bigint
  /** … up to this one, which is the oldest that may still run. */
  readonly until: bigint
  /** The next transaction's number, when the window was opened. */
  readonly next: bigint
}

export interface RowQuery {
  readonly text: string
  readonly values: readonly string[]
}

/**
 * The rows that transactions of the window wrote, in order, behind `after`. `low`: no row before that value of the first column is
 * missing. A row's xmin has 32 bits; it belongs to the latest transaction with these bits that has begun.
 */
export function rowQuery(relation: Relation, window: Window | null, low: string | null, after: readonly string[] | null): RowQuery {
  const values: string[] = []
  const parameter = (value: string, type: string) => `$${values.push(value)}::${type}`
  const conditions: string[] = []
  const { order } = relation
  if (window !== null && relation.hasXid) {
    const last = parameter(String(window.next - 1n), 'int8')
    const xid = `(${last} - ((${last} - q.${xidColumn}::text::int8) & 4294967295))`
    conditions.push(`${xid} >= ${parameter(String(window.from), 'int8')}`, `${xid} < ${parameter(String(window.until), 'int8')}`)
  }
  if (order.length > 0) conditions.push(`q.${quoteName(order[0]!.name)} is not null`)
  if (low !== null && order.length > 0) conditions.push(`q.${quoteName(order[0]!.name)} >= ${parameter(low, order[0]!.type)}`)
  if (after !== null) conditions.push(`(${order.map(({ name }) => `q.${quoteName(name)}`).join(', ')}) > (${order.map(({ type }, index) => parameter(after[index]!, type)).join(', ')})`)
  const where = conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`
  const orderBy = order.length === 0 ? '' : ` order by ${order.map(({ name }) => `q.${quoteName(name)}`).join(', ')}`
  return { text: `select q.* from (${relation.sql}) q${where}${orderBy}`, values }
}
