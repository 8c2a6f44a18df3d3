import { expect, it } from 'vitest'
import { freshDatabase, queryRows, withClient } from '../../../kit/postgres.ts'
import { capture, dropSlotsAfterEach, patientPolls, pollPatiently, rows, untilGiven } from '../../../kit/postgres-capture.ts'
import { describeWith } from '../../../kit/services.ts'

dropSlotsAfterEach()

type Source = ReturnType<typeof capture>
const told = (source: Source) => rows(source).map(({ topic, key, value }) => `${topic.slice('db.public.'.length)} ${(key as { id: number } | null)?.id} ${(value as { __op: string } | null)?.__op}`)

async function untilLogged(source: Source, text: string): Promise<void> {
  for (let polls = 0; !source.log.lines.some((line) => line.includes(text)) && polls < patientPolls; polls++) await pollPatiently(source)
}

await describeWith('postgres', 'tables that a capture meets later', (server) => {
  const begin = async (tables: string, config: Record<string, string> = {}) => {
    const url = await freshDatabase(server)
    const slot = `test_${process.pid}_later_${url.slice(-8)}`
    await queryRows(url, 'create table a (id int primary key); create table m (id int primary key); create table z (id int primary key); insert into a values (1), (2); insert into m select generate_series(1, 9); insert into z values (1)')
    const of = (list: string) => capture(url, { 'slot.name': slot, 'publication.name': slot, 'table.include.list': list, 'heartbeat.interval.ms': '200', 'incremental.snapshot.chunk.size': '1', ...config })
    const first = of(tables)
    await first.start()
    return { url, first, of }
  }
  /** The same connector with another list of tables. */
  const goOn = async (before: Source, after: Source) => {
    before.commit()
    await before.crash()
    for (const [partition, offset] of before.committed) after.committed.set(partition, offset)
    await after.start()
    return after
  }

  it('reads the rows of a table that was added to the list while the snapshot was cut off, also where the snapshot is past it', async () => {
    const { url, first, of } = await begin('public.m', { 'snapshot.fetch.size': '4' })
    await first.poll()
    const source = await goOn(first, of('public.a,public.m,public.z'))
    await pollPatiently(source)
    await queryRows(url, 'insert into a values (3); update a set id = 20 where id = 2')
    await untilLogged(source, 'all tables that were to be read again are read')
    expect([...told(first), ...told(source)].filter((each) => each.startsWith('m'))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9].map((id) => `m ${id} r`))
    const present = new Set<string>()
    for (const { topic, key, value } of rows(source)) present[value === null ? 'delete' : 'add'](`${topic.slice(-1)} ${(key as { id: number }).id}`)
    expect([...present].filter((each) => !each.startsWith('m')).toSorted()).toEqual(['a 1', 'a 20', 'a 3', 'z 1'])
  }, 60_000)

  it('reads the rows of a table that was added when the snapshot was complete, and of one that is new in the database, once', async () => {
    const { url, first, of } = await begin('public.m')
    await untilGiven(first, 9)
    await first.poll()
    await queryRows(url, 'create table n (id int primary key); insert into n values (1)')
    let source = await goOn(first, of('public.*'))
    await untilLogged(source, 'all tables that were to be read again are read')
    expect(told(source)).toEqual(['a 1 r', 'a 2 r', 'n 1 r', 'z 1 r'])
    await queryRows(url, 'insert into n values (2)')
    expect((await untilGiven(source, 5)).length).toBe(5)
    source = await goOn(source, of('public.*'))
    await queryRows(url, 'insert into n values (3)')
    await untilGiven(source, 1)
    expect(told(source)).toEqual(['n 3 c'])
  }, 60_000)

  it('begins with them when the transactions have ended that were running before the publication had them: their changes are not sent', async () => {
    const { url, first, of } = await begin('public.m')
    await untilGiven(first, 9)
    await first.poll()
    await withClient(url, async (early) => {
      await early.query('begin; insert into a values (3)')
      const source = await goOn(first, of('public.a,public.m'))
      for (let polls = 0; polls < 10; polls++) await pollPatiently(source)
      expect(told(source)).toEqual([])
      expect(source.log.lines.filter((line) => line.includes('the rows of public.a are read when'))).toHaveLength(1)
      await early.query('insert into a values (4); commit')
      await untilLogged(source, 'all tables that were to be read again are read')
      expect(new Set(told(source).map((each) => each.slice(0, 3)))).toEqual(new Set(['a 1', 'a 2', 'a 3', 'a 4']))
    })
  }, 60_000)

  it('says whose rows it does not read, and what to do', async () => {
    const { url, first, of } = await begin('public.m', { 'snapshot.mode': 'never' })
    await first.poll()
    await first.poll()
    const source = await goOn(first, of('public.a,public.m'))
    await pollPatiently(source)
    expect(source.log.lines.filter((line) => line.startsWith('warn'))).toEqual([expect.stringMatching(/table public\.a is captured from now on; .*snapshot\.mode=never.*execute-snapshot/)])
    const keyless = await begin('public.m')
    await queryRows(keyless.url, 'create table k (n int); insert into k values (1)')
    await untilGiven(keyless.first, 9)
    await keyless.first.poll()
    const other = await goOn(keyless.first, keyless.of('public.k,public.m'))
    await pollPatiently(other)
    expect(other.log.lines.filter((line) => line.startsWith('error'))).toEqual([expect.stringMatching(/table public\.k is captured from now on; .*primary key/)])
    expect(url).not.toBe(keyless.url)
  }, 60_000)

  it('takes a table that is made under a publication of all tables for whole: every change of it came', async () => {
    const { url, first, of } = await begin('public.*', { 'publication.autocreate.mode': 'disabled', 'publication.name': 'everything' })
    await queryRows(url, 'create publication everything for all tables')
    await untilGiven(first, 12)
    await first.poll()
    await queryRows(url, 'create table n (id int primary key); insert into n values (1)')
    await untilGiven(first, 13)
    const source = await goOn(first, of('public.*'))
    await queryRows(url, 'insert into n values (2)')
    await untilGiven(source, 1)
    expect(told(source)).toEqual(['n 2 c'])
  }, 60_000)
})
