/** The suite for authors of connectors, on the connectors for PostgreSQL: too long for the short tests, since each check has a database of its own. */
import { describe, it } from 'vitest'
import { postgresCdcSource, postgresQuerySource, postgresSink } from '../../connectors/postgres/plugins.ts'
import { connectorSuite } from '../../src/connect/testing/index.ts'
import type { SourceRecord } from '../../src/connect/index.ts'
import { sleep, systemClock } from '../../src/core/index.ts'
import { freshDatabase, queryRows } from '../kit/postgres.ts'
import { describeWith } from '../kit/services.ts'

/** A database that answers at once may be one of many tests' at the same time. */
const patienceMs = 30_000
const testLimitMs = 300_000

await describeWith('postgres', 'connectorSuite', (server) => {
  let slots = 0
  const nextSlot = () => `suite_${process.pid}_${++slots}`
  /** A table that grows by numbered rows. */
  const openTable = async (config: Readonly<Record<string, string>>) => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create sequence suite_n; create table suite (id serial primary key, n text)')
    const write = async (count: number) => (await queryRows(url, `insert into suite (n) select 'row ' || nextval('suite_n') from generate_series(1, $1) returning n`, [count])).map(({ n }) => n as string)
    return { url, config: { 'connection.url': url, ...config }, write }
  }
  const identify = ({ value }: SourceRecord) => (value as { readonly n: string }).n

  describe('PostgresSink', () => {
    const open = async () => {
      const url = await freshDatabase(server)
      await queryRows(url, 'create table suite (n text)')
      return { config: { 'connection.url': url, 'topics': 'suite', 'value.column': 'n' }, contents: async () => (await queryRows(url, 'select n from suite')).map(({ n }) => n as string) }
    }
    for (const { name, run } of connectorSuite({ plugin: postgresSink, open, record: (index) => ({ value: `row ${index}`, text: `row ${index}` }), delivers: 'once', isUnordered: true, patienceMs })) it(name, run, testLimitMs)
  })

  describe('PostgresQuerySource', () => {
    const open = () => openTable({ 'topic.prefix': 'db-', 'mode': 'incrementing', 'incrementing.column': 'id', 'table.include.list': 'public.suite', 'poll.interval.ms': '20' })
    for (const { name, run } of connectorSuite({ plugin: postgresQuerySource, open, identify, patienceMs })) it(name, run, testLimitMs)
  })

  describe('PostgresCdcSource', () => {
    const openCapture = async (config: Readonly<Record<string, string>>) => {
      const slot = nextSlot()
      const system = await openTable({ 'topic.prefix': 'db', 'slot.name': slot, 'format': 'flat', 'status.interval.ms': '200', ...config })
      /** The server may take a moment to see that the reader is gone. */
      const close = async () => {
        for (let tries = 0; tries < 600; tries++) {
          if ((await queryRows(system.url, 'select 1 from pg_replication_slots where slot_name = $1 and active', [slot])).length === 0) break
          await sleep(systemClock, 50)
        }
        await queryRows(system.url, 'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1', [slot])
      }
      return { ...system, slot, close }
    }
    const openChanges = async () => {
      const system = await openCapture({ 'snapshot.mode': 'never' })
      await queryRows(system.url, 'create publication millrace for table suite')
      await queryRows(system.url, `select pg_create_logical_replication_slot($1, 'pgoutput')`, [system.slot])
      return system
    }
    const suite = { plugin: postgresCdcSource, identify, isData: ({ topic }: SourceRecord) => topic !== 'db.heartbeat', patienceMs }
    for (const { name, run } of connectorSuite({ ...suite, open: openChanges })) it(name, run, testLimitMs)
    // Rows first, with a cut after each of them, then changes: each of them is one or the other.
    for (const { name, run } of connectorSuite({ ...suite, open: () => openCapture({ 'snapshot.fetch.size': '3' }) })) if (name.includes('killed between')) it(`${name}, with a snapshot`, run, testLimitMs)
  })
})
