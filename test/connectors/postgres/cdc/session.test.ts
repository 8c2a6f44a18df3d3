import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { expect, it } from 'vitest'
import { freshDatabase, queryRows, withClient } from '../../../kit/postgres.ts'
import { capture, dropSlotsAfterEach, patientPolls, pollPatiently, untilGiven } from '../../../kit/postgres-capture.ts'
import { describeWith } from '../../../kit/services.ts'

dropSlotsAfterEach()

/** A way to the database on which the far end can fall silent. `staysOpen`: it does not hang up either. */
async function cuttableLine(url: string, { staysOpen: allowHalfOpen }: { readonly staysOpen: boolean }) {
  const target = new URL(url)
  const sockets: Socket[] = []
  const cut = () => { for (const socket of sockets) socket.destroy() }
  const proxy = createServer({ allowHalfOpen }, (near) => {
    const far = connect({ port: Number(target.port), host: target.hostname, allowHalfOpen })
    sockets.push(near, far)
    near.on('data', (bytes) => { if (line.hears || !allowHalfOpen) far.write(bytes) }).on('error', () => far.destroy())
    far.on('data', (bytes) => { if (line.hears) near.write(bytes) }).on('error', () => near.destroy())
  })
  await new Promise<void>((resolve) => { proxy.listen(0, '127.0.0.1', resolve) })
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String((proxy.address() as AddressInfo).port)
  const line = { url: through.href, hears: true, cut, close: () => { cut(); proxy.close() } }
  return line
}

await describeWith('postgres', 'the session of a capture', (server) => {
  it('says which options the server is too old for', async () => {
    const url = await freshDatabase(server)
    const [version] = await queryRows(url, `select current_setting('server_version_num')::int / 10000 as major`)
    await queryRows(url, 'create table t (id int primary key)')
    const source = capture(url, { 'slot.failover': 'true' })
    await source.start()
    if (Number(version!['major']) < 17) await expect(source.poll()).rejects.toThrow(/^slot\.failover needs PostgreSQL 17; this server is \d+/)
    else {
      const failover = () => queryRows(url, 'select failover from pg_replication_slots where database = current_database()')
      await source.poll()
      expect(await failover()).toEqual([{ failover: true }])
      const slot = `test_${process.pid}_kept`
      const [before, after] = [capture(url, { 'slot.name': slot }), capture(url, { 'slot.name': slot, 'slot.failover': 'true' })]
      await before.start()
      await before.poll()
      await before.stop()
      await after.start()
      await pollPatiently(after)
      expect(await failover()).toEqual([{ failover: true }, { failover: true }])
    }
  })

  it('notices in bounded time that the other end of the connection is gone (dbz#1909)', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id int primary key)')
    const line = await cuttableLine(url, { staysOpen: false })
    try {
      const source = capture(url, { 'connection.url': line.url, 'connection.silence.timeout.ms': '1500' })
      await source.start()
      await source.poll()
      await source.poll()
      line.hears = false
      await expect((async () => { for (let polls = 0; polls < patientPolls; polls++) await source.poll() })()).rejects.toMatchObject({ retriable: true, message: expect.stringContaining('the server has said nothing') as string })
      line.hears = true
      line.cut()
      await pollPatiently(source)
      await queryRows(url, 'insert into t values (1)')
      expect(await untilGiven(source, 1)).toHaveLength(1)
    } finally {
      line.close()
    }
  }, 60_000)

  it('stops in bounded time when the server has gone without a word (DBZ-7575, DBZ-7904, dbz#2394)', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id int primary key)')
    const line = await cuttableLine(url, { staysOpen: true })
    try {
      const source = capture(url, { 'connection.url': line.url })
      await source.start()
      await source.poll()
      await source.poll()
      line.hears = false
      await source.stop()
    } finally {
      line.close()
    }
  }, 60_000)

  it('waits for a slot that its predecessor still holds (DBZ-3068, DBZ-6396)', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id int primary key)')
    const config = { 'slot.name': `test_${process.pid}_held` }
    const predecessor = capture(url, config)
    await predecessor.start()
    await predecessor.poll()
    const source = capture(url, config)
    await source.start()
    await expect((async () => { for (let polls = 0; polls < patientPolls; polls++) await source.poll() })()).rejects.toMatchObject({ retriable: true, message: expect.stringContaining('still in use') as string })
    await predecessor.stop()
    await pollPatiently(source)
    await queryRows(url, 'insert into t values (1)')
    expect(await untilGiven(source, 1)).toHaveLength(1)
  }, 60_000)

  it('is loud about a slot that somebody is making anew and that has no position yet (DBZ-6092, DBZ-6251)', async () => {
    const url = await freshDatabase(server)
    const slot = `test_${process.pid}_unmade`
    await queryRows(url, 'create table t (id int primary key)')
    const source = capture(url, { 'slot.name': slot })
    await source.start()
    await source.poll()
    source.commit()
    await source.crash()
    await withClient(url, async (writer) => {
      const isFree = async () => (await writer.query(`select 1 from pg_replication_slots where slot_name = '${slot}' and not active`)).rowCount === 1
      for (let tries = 0; !(await isFree()) && tries < patientPolls; tries++) await writer.query('select pg_sleep(0.05)')
      await writer.query(`select pg_drop_replication_slot('${slot}')`)
      await writer.query('begin; create table unfinished ()') // a transaction that runs holds the making of a slot up
      const making = queryRows(url, `select pg_create_logical_replication_slot('${slot}', 'pgoutput')`)
      const isBegun = async () => (await queryRows(url, `select 1 from pg_replication_slots where slot_name = '${slot}' and confirmed_flush_lsn is null`)).length === 1
      for (let tries = 0; !(await isBegun()) && tries < patientPolls; tries++) await queryRows(url, 'select pg_sleep(0.05)')
      await source.start()
      await expect(source.poll()).rejects.toThrow(`slot ${slot} has no confirmed position`)
      await writer.query('rollback')
      await making
    })
  }, 60_000)

  it('refuses a server that does not keep what is needed', async () => {
    const url = await freshDatabase(server)
    const source = capture(url, { 'table.include.list': 'public.nothing' })
    await source.start()
    await expect(source.poll()).rejects.toThrow('so there is nothing to capture: there is no table public.nothing; names are schema.table')
    expect(source.log.lines.join('\n')).toContain('table.include.list: there is no table public.nothing; names are schema.table')
  })
})
