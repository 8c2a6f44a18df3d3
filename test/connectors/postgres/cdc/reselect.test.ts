import { expect, it } from 'vitest'
import { capture, dropSlotsAfterEach, untilGiven, values } from '../../../kit/postgres-capture.ts'
import { freshDatabase, queryRows } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'

dropSlotsAfterEach()

await describeWith('postgres', 'reselected', (server) => {
  it('reads a large value that an update did not touch from the table, where the row and the column still are (DBZ-7582)', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create table t (id int, at timestamptz, big text, list text[], n int, primary key (id, at)); alter table t alter big set storage external, alter list set storage external`)
    await queryRows(url, `insert into t select i, '2026-11-21 07:00:00.123456+02', repeat('x', 9000), array[repeat('y', 9000), null], 0 from generate_series(1, 2) i`)
    const source = capture(url, { 'toast.unchanged': 'reselect', 'snapshot.mode': 'never' })
    await source.start()
    await source.poll()
    await queryRows(url, `update t set n = 1; delete from t where id = 2`)
    const at = '2026-11-21T05:00:00.123456Z'
    expect(values(await untilGiven(source, 3))).toEqual([{ id: 1, at, big: 'x'.repeat(9000), list: ['y'.repeat(9000), null], n: 1, __op: 'u' }, { id: 2, at, n: 1, __op: 'u' }, null])
    await queryRows(url, `update t set n = 2; alter table t drop big`)
    expect(values(await untilGiven(source, 4)).at(-1)).toEqual({ id: 1, at, n: 2, __op: 'u' })
  }, 120_000)
})
