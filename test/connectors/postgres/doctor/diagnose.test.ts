import { expect, it } from 'vitest'
import { runConsole } from '../../../../src/cli/run-console.ts'
import { diagnosePostgres } from '../../../../connectors/postgres/tools.ts'
import { MemoryTerminal } from '../../../kit/memory-terminal.ts'
import { freshDatabase, queryRows, startPostgres } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'

const options = { tables: [], publication: 'none_yet', slot: 'millrace' }

await describeWith('postgres', 'millrace doctor', (server) => {
  it('finds nothing wrong with a database that can be captured', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id int primary key); create table whole (v text); alter table whole replica identity full')
    const findings = await diagnosePostgres(url, options)
    expect(findings.filter(({ level }) => level === 'error')).toEqual([])
    expect(findings).toContainEqual({ level: 'ok', subject: 'table public.t', text: 'replica identity default: deletes and key changes come with the key before' })
    expect(findings).toContainEqual({ level: 'ok', subject: 'publication none_yet', text: 'is not there; the connector makes it' })
  })

  it('says which tables would fail, and the SQL that cures it does', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table "no key" (v text); create table silent (id int primary key); alter table silent replica identity nothing; create publication p for table silent with (publish = $$insert$$)')
    const find = async () => diagnosePostgres(url, { tables: ['public.*'], publication: 'p', slot: 'millrace' })
    const before = await find()
    expect(before.filter(({ level }) => level === 'error').map(({ subject, sql }) => [subject, sql])).toEqual([
      ['table public.no key', 'alter table "public"."no key" replica identity full'],
      ['table public.silent', 'alter table "public"."silent" replica identity default'],
    ])
    for (const { sql, subject } of before) if (sql !== undefined && /^(table|publication)/.test(subject)) await queryRows(url, sql)
    expect((await find()).filter(({ level, subject }) => level !== 'ok' && /^(table|publication)/.test(subject))).toEqual([])
  })

  it('says what a publication of somebody else keeps back, and the SQL that cures it does', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create table wide (id int primary key, v int); create table parts (id int primary key) partition by range (id); create table parts_1 partition of parts for values from (0) to (9);
      create publication p for table wide, parts with (publish_via_partition_root = false)`)
    const [version] = await queryRows(url, `select current_setting('server_version_num')::int / 10000 as major`)
    const hasFilters = Number(version!['major']) >= 15
    if (hasFilters) await queryRows(url, 'alter publication p set table wide (id) where (id > 1), parts')
    const find = async () => (await diagnosePostgres(url, { tables: [], publication: 'p', slot: 'millrace' })).filter(({ subject }) => subject === 'publication p')
    const before = await find()
    expect(before.map(({ level, text }) => `${level} ${text}`)).toEqual([
      'warning gives changes of public.parts under the names of their partitions, where nobody looks for them',
      ...(hasFilters ? ['rows', 'columns'].map((what) => `warning publishes only some ${what} of public.wide: snapshots show all, changes do not`) : []),
    ])
    for (const { sql } of before) for (const statement of sql!.split('; ')) await queryRows(url, statement)
    expect(await find()).toEqual([{ level: 'ok', subject: 'publication p', text: 'holds 2 tables' }])
  })

  it('tells a role without rights what others must grant it, by its name', async () => {
    const url = await freshDatabase(server)
    const role = `bare_${process.pid}`
    await queryRows(url, `create table t (id int primary key); create role ${role} login password 'x'`)
    const theirs = new URL(url)
    theirs.username = role
    theirs.password = 'x'
    const find = async () => (await diagnosePostgres(theirs.href, options)).filter(({ level, subject }) => level === 'error' && !subject.startsWith('max_'))
    expect((await find()).map(({ subject, sql }) => [subject, sql])).toEqual([
      [`role ${role}`, `alter role "${role}" replication`],
      ['table public.t', `grant select on "public"."t" to "${role}"`],
      ['publication none_yet', 'create publication "none_yet" for table "public"."t"'],
    ])
    for (const { sql } of await find()) await queryRows(url, sql!)
    expect(await find()).toEqual([])
    await queryRows(url, `drop owned by ${role}; drop role ${role}`)
    await expect(diagnosePostgres('localhost/db', options)).rejects.toThrow('the address of a database is postgres://')
  })

  it('is a command that fails when something stands in the way, and never shows the password', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (v text)')
    const terminal = new MemoryTerminal()
    expect(await runConsole(['doctor', url, '--tables', 'public.t'], terminal)).toBe(1)
    expect(terminal.output).toMatch(/^ERROR {3}table public\.t: has no primary key.*\n {10}alter table "public"\."t" replica identity full;$/m)
    expect(terminal.errors).toContain('1 thing keeps changes from being captured')
    const away = new MemoryTerminal()
    expect(await runConsole(['doctor', 'postgres://someone:hush@127.0.0.1:1/db'], away)).toBe(1)
    expect(away.errors).toContain('127.0.0.1:1/db cannot be reached')
    expect(away.errors).not.toContain('hush')
  })

  it.skipIf(server.origin === 'environment')('asks for no more slots than the connector needs, and names one that is somebody else’s', async () => {
    const own = await startPostgres({ settings: { max_replication_slots: '1', max_wal_senders: '1', wal_sender_timeout: '5s' } })
    try {
      await queryRows(own.url, 'create table t (id int primary key)')
      await queryRows(own.url, `select pg_create_logical_replication_slot('mine', 'pgoutput')`)
      const find = async (slot: string, url = own.url) => (await diagnosePostgres(url, { ...options, slot })).filter(({ level, subject }) => level === 'error' || subject === 'wal_sender_timeout')
      expect((await find('mine')).map(({ subject, sql }) => [subject, sql])).toEqual([['wal_sender_timeout', `alter system set wal_sender_timeout = '60s'; select pg_reload_conf()`]])
      expect((await find('other')).map(({ subject }) => subject)).toEqual(['wal_sender_timeout', 'max_replication_slots'])
      expect(await find('mine', await freshDatabase(own))).toContainEqual({ level: 'error', subject: 'slot mine', text: 'belongs to pgoutput in database postgres: give the connector a slot.name of its own' })
    } finally {
      await own.stop()
    }
  }, 60_000)

  it.skipIf(server.origin === 'environment')('sees a server that keeps too little log, and slots that nobody reads or that are lost', async () => {
    const own = await startPostgres({ settings: { max_slot_wal_keep_size: '1MB', max_wal_size: '32MB', min_wal_size: '32MB' } })
    try {
      await queryRows(own.url, 'create table t (id int primary key, v text)')
      await queryRows(own.url, `select pg_create_logical_replication_slot('left', 'pgoutput')`)
      expect((await diagnosePostgres(own.url, options)).find(({ subject }) => subject === 'slot left')).toMatchObject({ level: 'ok', text: expect.stringContaining('not active') as string })
      for (let round = 0; round < 6; round++) {
        await queryRows(own.url, `insert into t select ${round} * 10000 + i, repeat('x', 1000) from generate_series(1, 10000) i`)
        await queryRows(own.url, 'select pg_switch_wal()')
        await queryRows(own.url, 'checkpoint')
      }
      expect((await diagnosePostgres(own.url, options)).find(({ subject }) => subject === 'slot left')).toMatchObject({
        level: 'error', text: expect.stringContaining('invalidated') as string, sql: `select pg_drop_replication_slot('left')`,
      })
    } finally {
      await own.stop()
    }
  }, 60_000)
})
