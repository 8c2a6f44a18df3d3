/**
 * How far each partition was written, in a table beside the data and in the same transaction: a record is in the database if
 * and only if its offset is, so none is applied twice and none is left out, whatever dies when.
 */
import type { SinkOffsets, TopicPartition } from 'millrace/connect'
import type { Client } from 'pg'
import { arrayLiteral, tableName } from './sql-text.ts'

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

  /** Next offsets of those partitions that were written; locks their rows until the transaction ends when told so. */
  async read(client: Client, partitions: readonly TopicPartition[], lock: 'lock' | 'look'): Promise<SinkOffsets> {
    const text =
      `select o.topic, o.partition, o.next_offset::float8 as offset from ${this.#name} o join unnest($2::text[], $3::int[]) as u (t, p) on o.topic = u.t and o.partition = u.p ` +
      `where o.connector = $1 order by o.topic, o.partition${lock === 'lock' ? ' for update of o' : ''}`
    const { rows } = await client.query<{ topic: string; partition: number; offset: number }>(text, [this.#connector, ...columnsOf(partitions)])
    return rows.filter(({ offset }) => offset !== nothingWritten)
  }

  async write(client: Client, offsets: SinkOffsets): Promise<void> {
    const text =
      `insert into ${this.#name} (connector, topic, partition, next_offset) select $1, t, p, o from unnest($2::text[], $3::int[], $4::bigint[]) as u (t, p, o) ` +
      'on conflict (connector, topic, partition) do update set next_offset = excluded.next_offset, updated_at = now()'
    await client.query(text, [this.#connector, ...columnsOf(offsets), arrayLiteral(offsets.map(({ offset }) => String(offset)))])
  }

  /** After offsets were changed by hand; null: as if nothing had been written. */
  async alter(client: Client, offsets: readonly (TopicPartition & { readonly offset: number | null })[]): Promise<void> {
    await this.write(client, offsets.map(({ offset, ...partition }) => ({ ...partition, offset: offset ?? nothingWritten })))
  }
}

function columnsOf(partitions: readonly TopicPartition[]): [string, string] {
  return [arrayLiteral(partitions.map(({ topic }) => topic)), arrayLiteral(partitions.map(({ partition }) => String(partition)))]
}
