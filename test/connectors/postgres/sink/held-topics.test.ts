import { expect, it } from 'vitest'
import { postgresSink } from '../../../../connectors/postgres/plugins.ts'
import { freshDatabase, queryRows, withClient } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'
import { SinkHarness } from '../../../kit/sink-harness.ts'

await describeWith('postgres', 'HeldTopics', (server) => {
  const count = async (url: string, table: string) => (await queryRows(url, `select count(*)::int as n from ${table}`))[0]!['n']

  it('lets other topics go on while a table is locked, and loses and repeats nothing, also through a restart', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table locked (n int); create table free (n int)')
    const sink = new SinkHarness(postgresSink, { 'connection.url': url, 'statement.timeout.ms': '2000' })
    for (const topic of ['locked', 'free']) sink.append(topic, 0, { value: { n: 1 } }, { value: { n: 2 } })
    await sink.start()
    await withClient(url, async (other) => {
      await other.query('begin; lock table locked')
      await sink.put()
      expect(await count(url, 'free')).toBe(2)
      await sink.commit()
      sink.append('free', 0, { value: { n: 3 } })
      await sink.put()
      expect(await count(url, 'free')).toBe(3)
      await sink.stop()
      await sink.start()
      sink.append('free', 0, { value: { n: 4 } })
      await sink.put()
      expect(await count(url, 'free')).toBe(4)
      await other.query('rollback')
    })
    for (let tries = 0; (await count(url, 'locked')) !== 2 && tries < 400; tries++) {
      await new Promise((resolve) => sink.clock.setTimer(500, () => resolve(undefined)))
      await sink.put()
    }
    expect([await count(url, 'locked'), await count(url, 'free')]).toEqual([2, 4])
    expect(sink.log.lines.filter((line) => line.includes('locked'))).toEqual(expect.arrayContaining([expect.stringMatching(/^error locked waits, and other topics go on: /), 'info locked goes on']))
    expect(sink.rejected).toEqual([])
    await sink.stop()
  }, 120_000)

  it('lets other topics go on, too, when what was given to the task is of the locked table alone', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table locked (n int); create table free (n int)')
    const sink = new SinkHarness(postgresSink, { 'connection.url': url, 'statement.timeout.ms': '2000' })
    for (const topic of ['locked', 'free']) sink.append(topic, 0, { value: { n: 1 } })
    await sink.start()
    await sink.put()
    await withClient(url, async (other) => {
      await other.query('begin; lock table locked')
      sink.append('locked', 0, { value: { n: 2 } })
      await sink.put()
      sink.append('free', 0, { value: { n: 2 } })
      await sink.put()
      await sink.commit()
      expect(await count(url, 'free')).toBe(2)
      await other.query('rollback')
    })
    for (let tries = 0; (await count(url, 'locked')) !== 2 && tries < 400; tries++) {
      await new Promise((resolve) => sink.clock.setTimer(500, () => resolve(undefined)))
      await sink.put()
    }
    expect(await count(url, 'locked')).toBe(2)
    await sink.stop()
  }, 120_000)

  it('writes what comes meanwhile once, when the batch that it came with has to be handed over again', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table locked (n int); create table free (n int)')
    const sink = new SinkHarness(postgresSink, { 'connection.url': url, 'statement.timeout.ms': '2000' })
    for (const topic of ['locked', 'free']) sink.append(topic, 0, { value: { n: 1 } })
    await sink.start()
    await withClient(url, async (other) => {
      await other.query('begin; lock table locked')
      await sink.put()
      for (const topic of ['locked', 'free']) sink.append(topic, 0, { value: { n: 2 } })
      await other.query('rollback; begin; lock table free; lock table locked')
      await expect(sink.put()).rejects.toThrow('cannot take records now')
      await other.query('rollback')
    })
    for (let tries = 0; Number(await count(url, 'locked')) < 2 && tries < 400; tries++) {
      await new Promise((resolve) => sink.clock.setTimer(500, () => resolve(undefined)))
      await sink.put()
    }
    expect([await count(url, 'locked'), await count(url, 'free')]).toEqual([2, 2])
    await sink.stop()
  }, 120_000)

  it('fails for what a person must remove, unless it is told to let that topic wait', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table good (id int primary key, n int); create table bad (id int, n int)')
    const config = { 'connection.url': url, 'insert.mode': 'upsert', 'pk.mode': 'record_key', 'pk.fields': 'id' }
    for (const how of ['fail', 'pause']) {
      const sink = new SinkHarness(postgresSink, { ...config, 'table.error': how, 'offsets.table': `offsets_${how}` })
      for (const topic of ['bad', 'good']) sink.append(topic, 0, { key: 1, value: { n: 1 } })
      await sink.start()
      if (how === 'fail') await expect(sink.put()).rejects.toThrow('has no unique index on (id)')
      else {
        await sink.put()
        expect(await queryRows(url, 'select * from good')).toEqual([{ id: 1, n: 1 }])
        await queryRows(url, 'alter table bad add primary key (id)')
        for (let tries = 0; (await count(url, 'bad')) === 0 && tries < 400; tries++) {
          await new Promise((resolve) => sink.clock.setTimer(500, () => resolve(undefined)))
          await sink.put()
        }
        expect(await queryRows(url, 'select * from bad')).toEqual([{ id: 1, n: 1 }])
      }
      await sink.stop()
    }
  }, 120_000)

  it('puts what stands in the way of records that waited down to none of those that came since', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table locked (id int primary key, n int); create table free (id int primary key, n int)')
    const sink = new SinkHarness(postgresSink, { 'connection.url': url, 'statement.timeout.ms': '2000', 'insert.mode': 'upsert', 'pk.mode': 'record_key', 'pk.fields': 'id' })
    sink.bisects = true
    for (const topic of ['locked', 'free']) sink.append(topic, 0, { key: 1, value: { n: 1 } })
    await sink.start()
    await withClient(url, async (other) => {
      await other.query('begin; lock table locked')
      await sink.put()
      await other.query('rollback')
    })
    await queryRows(url, 'alter table locked drop constraint locked_pkey')
    sink.append('free', 0, { key: 2, value: { n: 2 } })
    let failure: unknown
    for (let tries = 0; failure === undefined && tries < 400; tries++) {
      await new Promise((resolve) => sink.clock.setTimer(500, () => resolve(undefined)))
      await sink.put().catch((error: unknown) => { failure = error })
    }
    expect(failure).toMatchObject({ code: 'CONNECTOR_FAILED', details: { ofEarlierRecords: true } })
    await sink.stop()
  }, 120_000)
})
