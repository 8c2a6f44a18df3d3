/** Changes of one database become a topic, and the topic the same tables in another one, while the server is killed and restarted. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openEmbeddedBroker } from 'millrace'
import { ConnectWorker, sleep, systemClock } from 'millrace/connect'
import { plugins } from 'millrace/connectors/postgres'
import { randomInteger, seededRandom } from '../../src/core/random.ts'
import { freshDatabase, queryRows, startPostgres, withClient } from '../kit/postgres.ts'
import { describeWith } from '../kit/services.ts'
import { collectingLog } from '../kit/source-harness.ts'

const tables = ['orders', 'items', 'notes']
const seed = Number(process.env['MILLRACE_SEED'] ?? 7)

/** Transactions of every kind: inserts, updates, deletes, changed keys, large values, savepoints, rollbacks. */
function transaction(random: ReturnType<typeof seededRandom>): string {
  const statements = Array.from({ length: 1 + randomInteger(random, 8) }, () => {
    const table = tables[randomInteger(random, tables.length)]!
    const id = randomInteger(random, 60)
    return [
      `insert into ${table} values (${id}, 'new ${randomInteger(random, 1000)}', ${randomInteger(random, 100)}, repeat(md5('${id}'), ${randomInteger(random, 4) * 200})) on conflict do nothing`,
      `update ${table} set n = ${randomInteger(random, 1000)} where id = ${id}`,
      `update ${table} set name = 'ä"\\{${randomInteger(random, 1000)}', big = repeat('y', ${randomInteger(random, 9000)}) where id > ${id} and id < ${id + 4}`,
      `update ${table} set id = id + 1000 where id = ${id} and not exists (select 1 from ${table} where id = ${id + 1000})`,
      `delete from ${table} where id % 17 = ${id % 17}`,
      `savepoint s; delete from ${table}; rollback to s`,
    ][randomInteger(random, 6)]!
  })
  return `begin; ${statements.join('; ')}; ${randomInteger(random, 6) === 0 ? 'rollback' : 'commit'}`
}

const contents = (url: string, nameOf: (table: string) => string) =>
  Promise.all(tables.map((table) => queryRows(url, `select id::int, name, n::int, md5(big) as big from ${nameOf(table)} order by id`)))

await describeWith('postgres', 'a replica through the log', (shared) => {
  describe.skipIf(shared.origin === 'environment')('with a server of its own', () => {
    it(`equals the original after random transactions and crashes of the server, seed ${seed}`, async () => {
      const server = await startPostgres()
      const directory = mkdtempSync(join(tmpdir(), 'millrace-replica-'))
      const broker = await openEmbeddedBroker({ directory })
      const log = collectingLog()
      const worker = ConnectWorker.open({ broker, log, plugins, config: { 'offset.flush.interval.ms': '100' } })
      try {
        const [source, target] = [await freshDatabase(server), await freshDatabase(server)]
        for (const table of tables) await queryRows(source, `create table ${table} (id int primary key, name text, n int, big text); insert into ${table} select i, 'old', i, '' from generate_series(1, 40) i`)
        await worker.start({ name: 'capture', config: { 'connector.class': 'PostgresCdcSource', 'connection.url': source, 'topic.prefix': 'db', format: 'flat', 'heartbeat.interval.ms': '500', 'status.interval.ms': '500' } })
        await worker.start({
          name: 'apply',
          config: {
            'connector.class': 'PostgresSink', 'topics.regex': String.raw`db\.public\..*`, 'connection.url': target, 'insert.mode': 'upsert', 'pk.mode': 'record_key',
            'delete.enabled': 'true', 'auto.create': 'true', 'auto.evolve': 'true', 'table.name.format': '${topic}',
          },
        })
        const random = seededRandom(seed)
        for (let round = 0; round < 6; round++) {
          await withClient(source, async (client) => {
            for (let i = 0; i < 15; i++) await client.query(transaction(random))
          })
          if (round % 2 === 1) {
            await sleep(systemClock, 300)
            await server.stopServer(round === 1 ? 'crash' : 'fast')
            await server.startServer()
          }
        }
        const original = await contents(source, (table) => table)
        let replica: unknown
        for (let tries = 0; tries < 600; tries++) {
          replica = await contents(target, (table) => `"db.public.${table}"`).catch(() => [])
          if (JSON.stringify(replica) === JSON.stringify(original)) break
          await sleep(systemClock, 100)
        }
        expect(replica, JSON.stringify([worker.status(), log.lines.slice(-20)], null, 1)).toEqual(original)
      } finally {
        await worker.stop()
        await broker.close()
        await server.stop()
        rmSync(directory, { recursive: true, force: true })
      }
    }, 180_000)
  })
})
