import { expect, it } from 'vitest'
import { systemClock } from 'millrace/connect'
import { postgresSink } from '../../../../connectors/postgres/plugins.ts'
import { StraightTries } from '../../../../connectors/postgres/sink/straight-tries.ts'
import { freshDatabase, queryRows } from '../../../kit/postgres.ts'
import { seededRandom } from '../../../../src/core/random.ts'
import { describeWith } from '../../../kit/services.ts'
import { SinkHarness } from '../../../kit/sink-harness.ts'

/** What is tried of so many batches, when the table refuses those that `refuses` names. */
function tried(count: number, refuses: (batch: number) => boolean): number[] {
  const tries = new StraightTries()
  const batches: number[] = []
  for (let batch = 0; batch < count; batch++) {
    if (!tries.isDue()) continue
    batches.push(batch)
    if (refuses(batch)) tries.refused()
    else tries.taken()
  }
  return batches
}

it('is due for each batch while the table takes them, and ever more seldom while it refuses', () => {
  expect(tried(5, () => false)).toEqual([0, 1, 2, 3, 4])
  expect(tried(40, () => true)).toEqual([0, 2, 5, 10, 19, 36])
  expect(tried(100_000, () => true).length).toBeLessThan(110)
  expect(tried(20, (batch) => batch < 4)).toEqual([0, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
})

await describeWith('postgres', 'an upsert of many rows', (postgres) => {
  const config = { 'insert.mode': 'upsert', 'pk.mode': 'record_key', 'pk.fields': 'id', 'copy.rows': '1', 'table.name.format': 't' }
  /** An insert that may change rows announces it, COPY does not. */
  const countMerges = `create table merges (n int); create function merge() returns trigger language plpgsql as $$ begin insert into merges values (1); return null; end $$; create trigger merges before update on t for each statement execute function merge()`
  const mergesOf = async (url: string) => (await queryRows(url, 'select count(*)::int as n from merges'))[0]!['n']

  async function sinkTo(url: string, more: Readonly<Record<string, string>> = {}) {
    const sink = new SinkHarness(postgresSink, { 'connection.url': url, ...config, ...more }, systemClock)
    await sink.start()
    return sink
  }

  it('copies new rows straight into the table, and merges those that it has', async () => {
    const url = await freshDatabase(postgres)
    await queryRows(url, `create table t (id int primary key, n int); ${countMerges}`)
    const sink = await sinkTo(url)
    for (let n = 0; n < 30; n++) sink.append('t', 0, { key: n, value: { n } })
    await sink.put()
    await sink.commit()
    expect(await mergesOf(url)).toBe(0)
    for (let n = 20; n < 40; n++) sink.append('t', 0, { key: n, value: { n: -n } })
    await sink.put()
    await sink.stop()
    expect(await mergesOf(url)).toBe(1)
    expect(await queryRows(url, 'select count(*)::int as rows, sum(n)::int as sum from t')).toEqual([{ rows: 40, sum: 190 - 590 }])
    expect(sink.rejected).toEqual([])
  }, 60_000)

  it.each([1, 2])('leaves what single statements would have left, whatever mixture of new keys, known ones, deletions and rows that are refused comes (%i connections)', async (connections) => {
    const url = await freshDatabase(postgres)
    await queryRows(url, `create table t (id int primary key, n int check (n % 97 <> 0), other int default 7); ${countMerges}`)
    const random = seededRandom(11)
    const sink = await sinkTo(url, { 'batch.size': '40', 'write.connections': String(connections), 'delete.enabled': 'true' })
    const model = new Map<number, number>()
    const refused: number[] = []
    let next = 0
    for (let round = 0; round < 40; round++) {
      const known = [0, 0, 0.01, 0.5][round % 4]!
      for (let record = 0; record < 100; record++) {
        const id = next > 0 && random.next() < known ? Math.trunc(random.next() * next) : next++
        const isDeletion = round % 8 === 7 && record % 10 === 0
        const n = 100 * round + record + 1
        sink.append('t', id % 2, { key: id, value: isDeletion ? null : { n } })
        if (isDeletion) model.delete(id)
        else if (n % 97 === 0) refused.push(n)
        else model.set(id, n)
      }
      await sink.put()
    }
    await sink.stop()
    expect(sink.rejected.map(({ record }) => (record.value as { readonly n: number }).n).toSorted((a, b) => a - b)).toEqual(refused)
    expect(await queryRows(url, 'select id, n, other from t order by id')).toEqual([...model].toSorted(([a], [b]) => a - b).map(([id, n]) => ({ id, n, other: 7 })))
    expect(await mergesOf(url)).toBeGreaterThan(10)
  }, 60_000)

  it('merges from the start where rows may be seen by some only, into which nobody copies', async () => {
    const url = await freshDatabase(postgres)
    const role = `r${Date.now()}`
    await queryRows(url, `create table t (id int primary key, n int); alter table t enable row level security; create policy p on t using (true); create role ${role}; grant all on t to ${role}`)
    try {
      const asRole = new URL(url)
      asRole.searchParams.set('options', `-c role=${role}`)
      const sink = await sinkTo(asRole.href, { 'exactly.once': 'false' })
      for (let round = 0; round < 3; round++) {
        for (let n = 0; n < 10; n++) sink.append('t', 0, { key: 10 * round + n, value: { n } })
        await sink.put()
      }
      await sink.stop()
      expect(sink.rejected).toEqual([])
      expect(await queryRows(url, 'select count(*)::int as rows from t')).toEqual([{ rows: 30 }])
    } finally {
      await queryRows(url, `drop table t; drop role ${role}`)
    }
  }, 60_000)

  it('says that a key which is only checked at the end of a transaction will not do', async () => {
    const url = await freshDatabase(postgres)
    await queryRows(url, 'create table t (id int primary key deferrable initially deferred, n int)')
    const sink = await sinkTo(url)
    sink.append('t', 0, { key: 1, value: { n: 1 } })
    await expect(sink.put()).rejects.toThrow('has no unique index on (id)')
    await sink.stop()
  }, 60_000)
})
