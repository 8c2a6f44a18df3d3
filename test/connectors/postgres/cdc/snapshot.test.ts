import { expect, it } from 'vitest'
import { capture, dropSlotsAfterEach, pollPatiently, rows } from '../../../kit/postgres-capture.ts'
import { freshDatabase, queryRows, withClient } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'

dropSlotsAfterEach()

await describeWith('postgres', 'Snapshot', (server) => {
  it('reads chunks beside each other, all of one state, in the order of the key, and goes on after a crash (dbz#2330, dbz#1554)', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create table a (x text, y int, n int, primary key (x, y)); create table empty (id int primary key); create table keyless (n int); create table z (id int primary key, n int)`)
    await queryRows(url, `insert into a select 'k' || i % 5, i, 0 from generate_series(1, 103) i; insert into keyless select i from generate_series(1, 25) i; insert into z select i, 0 from generate_series(1, 40) i`)
    const source = capture(url, { 'snapshot.max.threads': '3', 'snapshot.fetch.size': '10' })
    await source.start()
    await source.poll()
    await withClient(url, (client) => client.query('update a set n = 1; update z set n = 1; insert into z values (41, 1)')) // after the slot was made: none of it is in the snapshot
    for (let polls = 0; polls < 3; polls++) await source.poll()
    const given = rows(source)
    expect(given).toHaveLength(40)
    expect(given.every(({ value }) => (value as { n: number }).n === 0)).toBe(true)
    source.commit(33)
    await source.crash()
    await source.start()
    await pollPatiently(source)
    const total = 103 + 25 + 41
    for (let polls = 0; rows(source).length < total && polls < 40; polls++) await source.poll()
    const keys = rows(source).slice(0, total).map(({ topic, key }) => `${topic} ${JSON.stringify(key)}`)
    const [a] = await queryRows(url, `select json_agg(json_build_object('x', x, 'y', y) order by x, y) as keys from a`)
    expect(keys.slice(0, 103)).toEqual((a!['keys'] as unknown[]).map((key) => `db.public.a ${JSON.stringify(key)}`))
    expect(keys.slice(103, 128)).toEqual(Array.from({ length: 25 }, () => 'db.public.keyless null'))
    expect(keys.slice(128)).toEqual(Array.from({ length: 41 }, (_, i) => `db.public.z {"id":${i + 1}}`))
  }, 60_000)
})
