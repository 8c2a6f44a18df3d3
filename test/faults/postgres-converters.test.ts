/** A table through the whole of Connect: captured with schemas, written by a converter, read back, and put into a table that the sink makes. */
import { expect, it } from 'vitest'
import { plugins } from '../../connectors/postgres/plugins.ts'
import { ConnectWorker } from '../../src/connect/index.ts'
import { sleep, systemClock } from '../../src/core/index.ts'
import { afterTest, memoryLog, openBroker } from '../connect/runtime/connect-kit.ts'
import { freshDatabase, queryRows, withClient } from '../kit/postgres.ts'
import { createTypes, createTypesTable, insertTypes, typeCases } from '../kit/postgres-types.ts'
import { TestRegistry } from '../kit/schema-registry.ts'
import { describeWith } from '../kit/services.ts'

// As in struct-events.test.ts: Connect has no dimensions, io.debezium.data.Bits no length, and these are there in another form, such as JSON.
const changed = ['varbit', 'integer[]', 'money', 'char(3)', 'hstore', 'composite', 'composite[]']
const columns = typeCases.flatMap(([type], index) => (changed.includes(type) ? [] : [`c${index}`]))
const converters = {
  AvroConverter: 'io.confluent.connect.avro.AvroConverter',
  JsonConverter: 'org.apache.kafka.connect.json.JsonConverter',
}

await describeWith('postgres', 'changes with schemas', (server) => {
  it.each(Object.entries(converters))('pass through %s with every type as it was', async (name, converter) => {
    const [url, target] = [await freshDatabase(server), await freshDatabase(server)]
    await queryRows(url, `${createTypes}; ${createTypesTable}; ${insertTypes}`)
    await queryRows(target, 'create extension hstore')
    const registry = await TestRegistry.open()
    afterTest(() => registry.close())
    const slot = `test_${process.pid}_${name.toLowerCase()}`
    afterTest(async () => { await queryRows(url, 'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not active', [slot]) })
    const log = memoryLog()
    const worker = ConnectWorker.open({ broker: await openBroker(), log, plugins, config: { 'task.host': 'in-process', 'offset.flush.interval.ms': '50', 'restart.policy': 'none' } })
    afterTest(() => worker.stop())
    const ofConverter = name === 'JsonConverter' ? { 'schemas.enable': 'true' } : { 'schema.registry.url': registry.url }
    const settings = Object.fromEntries(['key.converter', 'value.converter'].flatMap((role) => [[role, converter], ...Object.entries(ofConverter).map(([option, value]) => [`${role}.${option}`, value] as const)]))
    await worker.start({ name: 'capture', config: { ...settings, 'connector.class': 'PostgresCdcSource', 'connection.url': url, 'topic.prefix': 'db', 'slot.name': slot, 'schemas.enable': 'true', 'decimal.handling.mode': 'string', 'interval.handling.mode': 'string', 'heartbeat.interval.ms': '300' } })
    await worker.start({ name: 'sink', config: { ...settings, 'connector.class': 'PostgresSink', 'connection.url': target, 'topics': 'db.public.t', 'table.name.format': 't', 'insert.mode': 'upsert', 'pk.mode': 'record_key', 'auto.create': 'true', 'auto.evolve': 'true', 'delete.enabled': 'true' } })
    const rowsOf = (database: string) => queryRows(database, 'select id from t order by id').catch(() => [])
    const untilSame = async () => {
      for (const deadline = systemClock.monotonic() + 60_000; JSON.stringify(await rowsOf(url)) !== JSON.stringify(await rowsOf(target)); await sleep(systemClock, 30)) {
        const failed = worker.status().flatMap(({ tasks }) => tasks).find(({ state }) => state === 'FAILED')
        if (failed !== undefined || systemClock.monotonic() > deadline) throw new Error(`${JSON.stringify(failed)}\n${log.lines.slice(-20).join('\n')}`)
      }
    }
    await untilSame()
    await queryRows(url, `${insertTypes}; delete from t where id = 1; alter table t add later timestamp(3); update t set later = '2026-11-22 01:02:03.004'`)
    await untilSame()
    const compared = (database: string, asTypes: readonly string[]) => withClient(database, async (client) => (await client.query(`select id, later, ${columns.map((column, index) => `${column}::${asTypes[index]!}::text as ${column}`).join(', ')} from t order by id`)).rows)
    const types = await queryRows(target, `select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = 't'::regclass and attnum > 0`)
    const typeOf = (column: string) => types.find((each) => each['name'] === column)!['type'] as string
    const wanted = await compared(url, columns.map((column) => (typeOf(column).startsWith('jsonb') ? 'text' : typeOf(column))))
    let found: unknown
    for (const deadline = systemClock.monotonic() + 10_000; systemClock.monotonic() < deadline; await sleep(systemClock, 50)) {
      found = await compared(target, columns.map(typeOf)).catch(() => undefined)
      if (JSON.stringify(found) === JSON.stringify(wanted)) break
    }
    expect(found).toEqual(wanted)
    if (name === 'AvroConverter') expect(registry.subjects.toSorted()).toEqual(['db.heartbeat-key', 'db.heartbeat-value', 'db.public.t-key', 'db.public.t-value'])
  }, 120_000)
})
