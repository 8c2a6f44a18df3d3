/**
 * How far each partition was written, in a table beside the data and in the same transaction: a record is in the database if
 * and only if its offset is, so none is applied twice and none is left out, whatever dies when.
 */
import type { SinkOffsets, TopicPartition } from 'millrace/connect'
import type { Client } from 'pg'
import { arrayLiteral, quoteLiteral, tableName } from './sql-text.ts'
import type { Transaction } from './transaction.ts'

/** Stands for a partition that was opened but never written. */
const nothingWritten = -1

export class OffsetTable {
  readonly #name: string
  readonly #connector: string

  constructor(name: string, connector: string) {
    this.#name = tableName(name, '')
    this.#connector = connector
  }

  get createStatement(): string {
    return (
      `create table if not exists ${this.#name} (connector text not null, topic text not null, partition integer not null, ` +
      'next_offset bigint not null, updated_at timestamptz not null default now(), primary key (connector, topic, partition))'
    )
  }

  /** Makes sure that each partition has a row to lock. */
  async prepare(client: Client, partitions: readonly TopicPartition[]): Promise<void> {
    const text = `insert into ${this.#name} (connector, topic, partition, next_offset) select $1, t, p, ${nothingWritten} from unnest($2::text[], $3::int[]) as u (t, p) on conflict do nothing`
    await client.query(text, [this.#connector, ...columnsOf(partitions)])
  }

  /** Next offsets of those partitions that were written. */
  async read(client: Client, partitions: readonly TopicPartition[]): Promise<SinkOffsets> {
    return written((await client.query<StoredOffset>(this.#selection(partitions))).rows)
  }

  /** As `read`; locks their rows until the transaction ends. */
  async lock(transaction: Transaction, partitions: readonly TopicPartition[]): Promise<SinkOffsets> {
    return written(await transaction.query<StoredOffset>(`${this.#selection(partitions)} for update of o`))
  }

  #selection(partitions: readonly TopicPartition[]): string {
    const [topics, numbers] = columnsOf(partitions).map(quoteLiteral)
    return (
      `select o.topic, o.partition, o.next_offset::float8 as offset from ${this.#name} o join unnest(${topics}::text[], ${numbers}::int[]) as u (t, p) on o.topic = u.t and o.partition = u.p ` +
      `where o.connector = ${quoteLiteral(this.#connector)} order by o.topic, o.partition`
    )
  }

  /** The statement that stores them. */
  writing(offsets: SinkOffsets): string {
    const [topics, numbers, next] = [...columnsOf(offsets), arrayLiteral(offsets.map(({ offset }) => String(offset)))].map(quoteLiteral)
    return (
      `insert into ${this.#name} (connector, topic, partition, next_offset) select ${quoteLiteral(this.#connector)}, t, p, o from unnest(${topics}::text[], ${numbers}::int[], ${next}::bigint[]) as u (t, p, o) ` +
      'on conflict (connector, topic, partition) do update set next_offset = excluded.next_offset, updated_at = now()'
    )
  }

  /** After offsets were changed by hand; null: as if nothing had been written. */
  async alter(client: Client, offsets: readonly (TopicPartition & { readonly offset: number | null })[]): Promise<void> {
    await client.query(this.writing(offsets.map(({ offset, ...partition }) => ({ ...partition, offset: offset ?? nothingWritten }))))
  }
}

interface StoredOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

function written(rows: readonly StoredOffset[]): SinkOffsets {
  return rows.filter(({ offset }) => offset !== nothingWritten)
}

function columnsOf(partitions: readonly TopicPartition[]): [string, string] {
  return [arrayLiteral(partitions.map(({ topic }) => topic)), arrayLiteral(partitions.map(({ partition }) => String(partition)))]
}
