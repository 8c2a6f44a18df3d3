import { expect, it } from 'vitest'
import { parseSchemaless } from 'millrace/connect'
import type { SourceOffset, SourceSpans } from 'millrace/connect'
import { recordsOf } from '../../../../connectors/postgres/cdc/change-event.ts'
import type { EventOptions } from '../../../../connectors/postgres/cdc/change-event.ts'
import { ChangeRecords } from '../../../../connectors/postgres/cdc/change-records.ts'
import type { RowMessage, SourceItem } from '../../../../connectors/postgres/cdc/change-records.ts'
import { textType } from '../../../../connectors/postgres/cdc/column-value.ts'
import type { PgoutputMessage, Tuple } from '../../../../connectors/postgres/cdc/pgoutput.ts'
import { offsetOf, positionOf } from '../../../../connectors/postgres/cdc/position.ts'
import type { Position } from '../../../../connectors/postgres/cdc/position.ts'
import { TransactionReader } from '../../../../connectors/postgres/cdc/transaction-reader.ts'
import type { PositionedChange, StreamedTable } from '../../../../connectors/postgres/cdc/transaction-reader.ts'
import { randomInteger, seededRandom } from '../../../../src/core/random.ts'
import type { Random } from '../../../../src/core/random.ts'

const nowMs = 5_000
const beginning: Position = { lsn: 1n, transaction: null, snapshot: null, resumed: null, incremental: null, tables: null, system: '7', timeline: 1 }

function table(oid: number, name: string, replicaIdentity: string, keyColumns: readonly string[]): StreamedTable {
  const columns = ['id', 'part', 'text'].map((column, index) => ({ name: column, typeOid: index === 0 ? 23 : 25, typeModifier: -1, inIdentity: replicaIdentity === 'f' || keyColumns.includes(column) }))
  return { relation: { kind: 'relation', oid, schema: 'public', table: name, replicaIdentity, columns }, name: `public.${name}`, types: [{ kind: 'integer' }, textType, textType], keyColumns, isCaptured: true }
}

const tables = [table(1, 'plain', 'd', ['id']), table(2, 'full', 'f', ['part', 'id']), table(3, 'keyless', 'f', [])]

/** `null`: null; `undefined`: a large value that did not change. */
function tuple(values: readonly (string | null | undefined)[]): Tuple {
  const bytes = Buffer.from(`behind${values.map((value) => value ?? '').join('')}`)
  const cells: number[] = []
  let at = 'behind'.length
  for (const value of values) {
    if (value === null) cells.push(-1, -1)
    else if (value === undefined) cells.push(-2, -2)
    else cells.push(at, at += Buffer.byteLength(value))
  }
  return { bytes, cells }
}

const texts = ['', 'x', 'say "hello"\\\n\t\u0001', 'äöü €😀', 'long '.repeat(20)]

function rowMessage(random: Random): RowMessage {
  const { relation: { oid, replicaIdentity } } = tables[randomInteger(random, tables.length)]!
  const text = () => texts[randomInteger(random, texts.length)]!
  const row = () => [String(randomInteger(random, 3) - 1), text(), randomInteger(random, 4) === 0 ? null : text()]
  const before = replicaIdentity === 'f' ? { keyOnly: false, row: tuple(row()) } : { keyOnly: true, row: tuple([String(randomInteger(random, 3)), null, null]) }
  switch (randomInteger(random, 3)) {
    case 0:
      return { kind: 'insert', relation: oid, after: tuple(row()) }
    case 1:
      return { kind: 'update', relation: oid, before: replicaIdentity === 'f' || randomInteger(random, 2) === 0 ? before : null, after: tuple(randomInteger(random, 4) === 0 ? [...row().slice(0, 2), undefined] : row()) }
    default:
      return { kind: 'delete', relation: oid, before }
  }
}

function log(random: Random, fewestRows: number): PgoutputMessage[] {
  return Array.from({ length: 1 + randomInteger(random, 4) }, (_, transaction): PgoutputMessage[] => {
    const finalLsn = BigInt(100 * (transaction + 1))
    const rows = Array.from({ length: fewestRows + randomInteger(random, 6) }, () => rowMessage(random))
    return [{ kind: 'begin', finalLsn, commitMs: 1_000, xid: transaction }, ...rows, { kind: 'commit', endLsn: finalLsn + 10n }]
  }).flat()
}

interface Plain {
  readonly topic: string
  readonly key: unknown
  readonly value: unknown
  readonly offset: SourceOffset
}

function plainOf(item: SourceItem): Plain[] {
  if ('spans' in item) return Array.from({ length: item.recordCount }, (_, index) => spanAt(item, index))
  return 'topic' in item ? [{ topic: item.topic, key: item.key, value: item.value, offset: item.sourceOffset }] : []
}

function spanAt(item: SourceSpans, index: number): Plain {
  const { topic, bytes, spans, keySpans } = item
  const valueOf = (of: Uint32Array) => (of[2 * index + 1]! < of[2 * index]! ? null : parseSchemaless(Buffer.from(bytes.subarray(of[2 * index], of[2 * index + 1])).toString()))
  return { topic, key: valueOf(keySpans!), value: valueOf(spans), offset: item.sourceOffset(index) }
}

const reader = (from: Position) => {
  const made = new TransactionReader(from, { transactions: false, placeholder: undefined })
  for (const each of tables) made.describe(each)
  return made
}

const madeOf = (options: EventOptions) => ({ change, before, after }: PositionedChange) => recordsOf(change, options, nowMs, () => offsetOf(before), offsetOf(after)).flatMap(plainOf)

/** The records of each change, made as objects. */
function asObjects(messages: readonly PgoutputMessage[], options: EventOptions): Plain[][] {
  const all = reader(beginning)
  return messages.flatMap((message) => all.read(message).map(madeOf(options)))
}

/** As bytes where that is enough, in polls of `most` messages. */
function asBytes(messages: readonly PgoutputMessage[], options: EventOptions, from: Position, most = messages.length): { readonly records: Plain[]; readonly end: Position } {
  const all = reader(from)
  const written = new ChangeRecords(options)
  const records: Plain[] = []
  for (let at = 0; at < messages.length; at += most) {
    written.begin(nowMs)
    for (const message of messages.slice(at, at + most)) {
      const isRow = message.kind === 'insert' || message.kind === 'update' || message.kind === 'delete'
      const ofTable = isRow ? all.tableOf(message.relation) : undefined
      const others = isRow && ChangeRecords.takes(message, ofTable!, true) ? all.release() : all.read(message)
      for (const other of others) written.others().push(...recordsOf(other.change, options, nowMs, () => offsetOf(other.before), offsetOf(other.after)))
      if (isRow && ChangeRecords.takes(message, ofTable!, true)) written.add(message, ofTable!, all)
      if (message.kind === 'commit') written.committed(all.position)
    }
    records.push(...written.take().flatMap(plainOf))
  }
  return { records, end: all.position }
}

it('writes what is made of changes as objects, byte by byte the same data, with the same positions', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed)
    const options: EventOptions = { topicPrefix: 'db', database: 'test', format: randomInteger(random, 2) === 0 ? 'debezium' : 'flat', tombstones: randomInteger(random, 2) === 0, partition: { server: 'db' } }
    const messages = log(random, 1)
    expect({ seed, records: asBytes(messages, options, beginning).records }).toEqual({ seed, records: JSON.parse(JSON.stringify(asObjects(messages, options).flat())) as unknown })
  }
})

it('goes on behind any record, in polls of any size, without loss and without repeat', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = seededRandom(seed)
    const options: EventOptions = { topicPrefix: 'db', database: 'test', format: 'debezium', tombstones: true, partition: { server: 'db' } }
    const messages = log(random, 0)
    const { records: all, end } = asBytes(messages, options, beginning)
    const contents = (records: readonly Plain[]) => records.map(({ topic, key, value }) => ({ topic, key, value }))
    const polled = asBytes(messages, options, beginning, 1 + randomInteger(random, 4))
    expect({ seed, records: contents(polled.records), end: polled.end }).toEqual({ seed, records: contents(all), end })
    // only the last record of a change stands for it: behind the others, all of it comes again
    const behind = asObjects(messages, options).flatMap((records, change, changes) => {
      const first = changes.slice(0, change).flat().length
      return records.map((_, index) => (index === records.length - 1 ? first + records.length : first))
    })
    for (const [index, { offset }] of all.entries()) {
      expect({ seed, index, rest: contents(asBytes(messages, options, positionOf(offset)).records) }).toEqual({ seed, index, rest: contents(all.slice(behind[index])) })
    }
  }
})
