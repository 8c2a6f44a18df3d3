/** The primary is lost, a standby takes over: the connector goes on there, with a slot that was kept in step. Needs PostgreSQL 17. */
import { cpSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { capture, dropSlotsAfterEach, patientPolls, pollPatiently, untilGiven, values } from '../kit/postgres-capture.ts'
import { queryRows, startPostgres } from '../kit/postgres.ts'
import type { Postgres } from '../kit/postgres.ts'
import { describeWith } from '../kit/services.ts'

dropSlotsAfterEach()

async function untilRows(url: string, query: string): Promise<void> {
  for (let tries = 0; (await queryRows(url, query)).length === 0; tries++) {
    if (tries > patientPolls) throw new Error(`never found: ${query}`)
    await queryRows(url, 'select pg_sleep(0.1)')
  }
}

/** A copy of the primary that follows it. */
async function startStandby(primary: Postgres): Promise<Postgres> {
  const { hostname, port } = new URL(primary.url)
  const settings = { primary_conninfo: `host=${hostname} port=${port} user=postgres dbname=postgres`, primary_slot_name: 'standby', hot_standby_feedback: 'on', sync_replication_slots: 'on', wal_receiver_status_interval: '1s' }
  const standby = await startPostgres({ settings })
  await standby.stopServer('fast')
  await primary.stopServer('fast')
  const { uid, gid } = statSync(standby.dataDirectory!)
  rmSync(standby.dataDirectory!, { recursive: true })
  cpSync(primary.dataDirectory!, standby.dataDirectory!, { recursive: true, preserveTimestamps: true })
  writeFileSync(join(standby.dataDirectory!, 'standby.signal'), '')
  spawnSync('chown', ['-R', `${uid}:${gid}`, standby.dataDirectory!])
  spawnSync('chmod', ['700', standby.dataDirectory!])
  await primary.startServer()
  await standby.startServer()
  return standby
}

await describeWith('postgres', 'PostgresCdcSource behind a standby that takes over', (shared) => {
  describe.skipIf(shared.origin === 'environment' || shared.origin === 'docker')('with servers of its own', () => {
    it('goes on where it was, with slot.failover', async ({ skip }) => {
      const [version] = await queryRows(shared.url, `select current_setting('server_version_num')::int / 10000 as major`)
      const reason = `slots outlive a failover from PostgreSQL 17 on, and this is ${Number(version!['major'])}`
      if (Number(version!['major']) < 17) {
        console.warn(`SKIPPED: PostgresCdcSource behind a standby that takes over: ${reason}`)
        skip(reason)
      }
      const primary = await startPostgres()
      let standby: Postgres | undefined
      try {
        await queryRows(primary.url, `create table t (id int primary key); insert into t values (1)`)
        await queryRows(primary.url, `select pg_create_physical_replication_slot('standby')`)
        standby = await startStandby(primary)
        await queryRows(primary.url, `alter system set synchronized_standby_slots = 'standby'`)
        await queryRows(primary.url, 'select pg_reload_conf()')
        const config = { 'slot.name': 'kept', 'slot.failover': 'true', 'heartbeat.interval.ms': '200' }
        const source = capture(primary.url, config)
        await source.start()
        await untilGiven(source, 1)
        await pollPatiently(source)
        await queryRows(primary.url, 'insert into t values (2)')
        await untilGiven(source, 2)
        source.commit()
        await source.tellCommitted()
        for (let tries = 0; (await queryRows(standby.url, `select 1 from pg_replication_slots where slot_name = 'kept' and synced and not temporary`)).length === 0 && tries < patientPolls; tries++) {
          await queryRows(primary.url, 'select pg_log_standby_snapshot(), pg_sleep(0.2)')
          await pollPatiently(source) // its heartbeats move the slot
          source.commit()
          await source.tellCommitted()
        }
        await queryRows(primary.url, 'insert into t select generate_series(3, 500)')
        await untilGiven(source, 500)
        source.commit(300)
        await source.crash()
        await queryRows(primary.url, 'insert into t values (501)')
        await untilRows(standby.url, 'select 1 from t where id = 501')
        await primary.stopServer('crash')
        await queryRows(standby.url, 'select pg_promote()')
        const after = capture(standby.url, config)
        for (const [partition, offset] of source.committed) after.committed.set(partition, offset)
        await after.start()
        await queryRows(standby.url, 'insert into t values (502)')
        const given = values(source.given).concat(values(await untilGiven(after, 502 - values(source.given).filter((value) => (value as { id?: number }).id !== undefined).length)))
        expect(given.flatMap((value) => (value as { id?: number }).id ?? [])).toEqual(Array.from({ length: 502 }, (_, index) => index + 1))
      } finally {
        await standby?.stop()
        await primary.stop()
      }
    }, 180_000)
  })
})
