import { configSpec, option } from 'millrace/connect'
import type { ConfigOf } from 'millrace/connect'
import { z } from 'zod'
import { connectionOptions } from './connection-config.ts'
import { schemaOptions } from './schemas/schema-config.ts'

const positive = z.number().min(1)

export const postgresCdcConfig = configSpec({
  ...connectionOptions,
  'topic.prefix': option.string({
    doc: 'Names the database: changes of a table go to the topic <prefix>.<schema>.<table>.',
    check: z.string().regex(/^[A-Za-z0-9._-]+$/, 'only letters, digits, dots, dashes and underscores'),
  }),
  'table.include.list': option.list({ doc: 'Tables to capture, as schema.table; * stands for any text. Empty: all.', default: [] }),
  'slot.name': option.string({ doc: 'The replication slot, one for each connector. It is made when it is missing.', default: 'millrace', check: z.string().regex(/^[a-z0-9_]{1,63}$/, 'only small letters, digits and underscores') }),
  'slot.failover': option.boolean({ doc: 'The slot is made, or altered, so that it is kept on standbys, too, and outlives a failover. Needs PostgreSQL 17.', default: false }),
  'publication.name': option.string({ doc: 'The publication that the slot reads.', default: 'millrace' }),
  'publication.autocreate.mode': option.oneOf(['filtered', 'disabled'], {
    doc: 'filtered: the publication is made for exactly the captured tables; where there are other slots, which may read it, too, tables are added and none is taken out. disabled: it must exist.',
    default: 'filtered',
  }),
  'snapshot.mode': option.oneOf(['initial', 'always', 'never', 'when_needed', 'initial_only'], {
    doc: 'initial: give the rows that are there first, then the changes since. always: give the rows at every start of the connector, then the changes since its last position. never: only changes from now on. when_needed: as initial, and read the tables again when the slot is lost. initial_only: give the rows, then drop the slot and rest.',
    default: 'initial',
  }),
  'snapshot.fetch.size': option.int({ doc: 'Most rows given at a time during the snapshot, and rows of a chunk with snapshot.max.threads.', default: 2_000, check: positive }),
  'snapshot.max.threads': option.int({ doc: 'How many chunks of a table are read beside each other during the snapshot, each on a connection of its own, all of them of the same state.', default: 1, check: positive.max(32) }),
  'signal.data.collection': option.string({
    doc: 'A table, as schema.table, whose new rows (id, type, data) are signals: execute-snapshot reads tables again while changes go on; stop-snapshot, pause-snapshot, resume-snapshot, log. It is not captured itself.',
    default: null,
  }),
  'incremental.snapshot.chunk.size': option.int({ doc: 'Rows read at a time when tables are read again by a signal. Needs PostgreSQL 14.', default: 1_024, check: positive }),
  'slot.lost': option.oneOf(['fail', 'snapshot'], {
    doc: 'When the slot is gone, was made anew or was moved by somebody else, changes are missing. fail: say so and stop. snapshot: make a new slot and read the tables again.',
    default: 'fail',
  }),
  format: option.oneOf(['debezium', 'flat'], {
    doc: 'debezium: an envelope with before, after, source, op and ts_ms. flat: the row as it is now, with __op; a delete is a tombstone.',
    default: 'debezium',
  }),
  ...schemaOptions('adaptive'),
  'toast.unchanged': option.oneOf(['absent', 'placeholder', 'reselect'], {
    doc: 'What becomes of a large value that an update did not touch and that the log therefore lacks. absent: its column is left out, unless the row got another key: then it is read from the table; with schemas.enable as placeholder, for a struct has no columns left out. placeholder: unavailable.value.placeholder stands for it. reselect: it is read from the table, as it is now.',
    default: 'absent',
  }),
  'unavailable.value.placeholder': option.string({ doc: 'Stands for such a value with toast.unchanged=placeholder; in base64 for bytea, in a list for arrays. Where no text can stand (with schemas.enable), the value is read from the table.', default: '__debezium_unavailable_value', check: z.string().min(1) }),
  'provide.transaction.metadata': option.boolean({ doc: 'Records of the beginning and the end of each transaction go to <prefix>.transaction, and envelopes say which change of which transaction they are.', default: false }),
  'message.prefix.include.list': option.list({ doc: 'Logical messages (pg_logical_emit_message) with these prefixes go to <prefix>.message; * stands for any text. Empty: none. Needs PostgreSQL 14.', default: [] }),
  'tombstones.on.delete': option.boolean({ doc: 'A deletion is followed by a record with the key and null, so that a compacted topic forgets the row.', default: true }),
  'status.interval.ms': option.int({ doc: 'How often the server is told that we are here and what is durable. Well below its wal_sender_timeout.', default: 5_000, check: positive }),
  'heartbeat.interval.ms': option.int({
    doc: 'How often a position is stored when only other tables change, so that the server can forget its log. The record goes to <prefix>.heartbeat. 0: never, and the server keeps its log until a captured table changes.',
    default: 10_000,
    check: z.number().min(0),
  }),
  'heartbeat.message': option.boolean({ doc: 'With each heartbeat, write a logical message into the log of the server (pg_logical_emit_message): it proves the whole way, also where nothing else is written.', default: false }),
  'connection.silence.timeout.ms': option.int({
    doc: 'A server that says nothing for so long, though it is asked every status.interval.ms, is taken for gone: the connection is made anew.',
    default: 300_000,
    check: positive,
  }),
  'max.queue.bytes': option.int({ doc: 'Most bytes read ahead of the worker.', default: 8 * 1_048_576, check: z.number().min(65_536) }),
  'max.batch.size': option.int({ doc: 'Most changes in one poll.', default: 2_048, check: positive }),
})

export type PostgresCdcConfig = ConfigOf<typeof postgresCdcConfig>
