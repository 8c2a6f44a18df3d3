/** A server that comes back from a backup has another history behind some point: what was read of the old one is not in it. */
import { cpSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { capture, dropSlotsAfterEach, pollPatiently, untilGiven, values } from '../kit/postgres-capture.ts'
import { queryRows, startPostgres } from '../kit/postgres.ts'
import { describeWith } from '../kit/services.ts'

dropSlotsAfterEach()

await describeWith('postgres', 'PostgresCdcSource on a server of another timeline', (shared) => {
  describe.skipIf(shared.origin === 'environment' || shared.origin === 'docker')('with a server of its own', () => {
    it('is loud about a recovery to a point before what was read, though the log has grown beyond it, and reads the tables again when told so', async () => {
      const server = await startPostgres({ settings: { restore_command: 'false' } })
      const slot = 'timelines'
      const backup = `${server.dataDirectory!}-backup`
      const { uid, gid } = statSync(server.dataDirectory!)
      const copy = (from: string, to: string) => {
        rmSync(to, { recursive: true, force: true })
        cpSync(from, to, { recursive: true, preserveTimestamps: true })
        spawnSync('chown', ['-R', `${uid}:${gid}`, to])
        spawnSync('chmod', ['700', to])
      }
      /** The server goes on from these files, in a history of its own. */
      const recover = async () => {
        writeFileSync(join(server.dataDirectory!, 'recovery.signal'), '')
        spawnSync('chown', [`${uid}:${gid}`, join(server.dataDirectory!, 'recovery.signal')])
        await server.startServer()
        while ((await queryRows(server.url, 'select pg_is_in_recovery() as recovers'))[0]!['recovers'] === true) await queryRows(server.url, 'select pg_sleep(0.05)')
      }
      try {
        await queryRows(server.url, 'create table t (id int primary key)')
        const source = capture(server.url, { 'slot.name': slot, 'snapshot.mode': 'never' })
        await source.start()
        await source.poll()
        await queryRows(server.url, 'insert into t values (1)')
        await untilGiven(source, 1)
        source.commit()
        await source.tellCommitted()
        await source.crash()

        // promoted with everything that was read: nothing is missing
        await server.stopServer('fast')
        await recover()
        await source.start()
        await pollPatiently(source)
        await queryRows(server.url, 'insert into t values (2)')
        expect(values(await untilGiven(source, 2))).toEqual([{ id: 1, __op: 'c' }, { id: 2, __op: 'c' }])
        source.commit()
        await source.tellCommitted()
        await source.crash()

        await server.stopServer('fast')
        copy(server.dataDirectory!, backup)
        await server.startServer()
        await queryRows(server.url, 'insert into t select generate_series(3, 1000)')
        await source.start()
        await pollPatiently(source)
        await untilGiven(source, 1000)
        source.commit()
        await source.crash()
        await server.stopServer('crash')
        copy(backup, server.dataDirectory!)
        await recover()
        await queryRows(server.url, 'insert into t select generate_series(5000, 8000)') // the end of the log is behind what was read again
        await source.start()
        await expect(pollPatiently(source)).rejects.toMatchObject({ code: 'CONNECTOR_FAILED', message: expect.stringMatching(/timeline 3, which left timeline 2 at .*Changes are missing/) as string })
        await source.stop()
        const again = capture(server.url, { 'slot.name': slot, 'slot.lost': 'snapshot' })
        for (const [partition, offset] of source.committed) again.committed.set(partition, offset)
        await again.start()
        await pollPatiently(again)
        expect((await untilGiven(again, 3003)).map(({ value }) => (value as { id: number }).id)).toEqual([1, 2, ...Array.from({ length: 3001 }, (_, i) => 5000 + i)])
      } finally {
        await server.stop()
        rmSync(backup, { recursive: true, force: true })
      }
    })
  })
})
