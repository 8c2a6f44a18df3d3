import { describe, expect, it } from 'vitest'
import type { Client } from 'pg'
import { freshDatabase, queryRows, withClient } from '../../../kit/postgres.ts'
import { capture, dropSlotsAfterEach, pollPatiently, rows, untilGiven } from '../../../kit/postgres-capture.ts'
import { describeWith } from '../../../kit/services.ts'
import { Overlap, resumedFrom } from '../../../../connectors/postgres/cdc/overlap.ts'
import type { ResumedSnapshot } from '../../../../connectors/postgres/cdc/position.ts'

dropSlotsAfterEach()

const keyColumns = [{ name: 'id', type: 'integer', collation: null }]
const table = (name: string) => ({ oid: 1, schema: 'public', table: name, name: `public.${name}`, keyColumns })
const noClient = { query: () => { throw new Error('numbers have an order without the database') } } as unknown as Client

function streamed(name: string) {
  const relation = { kind: 'relation', oid: 1, schema: 'public', table: name, replicaIdentity: 'd', columns: [{ name: 'id', typeOid: 23, typeModifier: -1, inIdentity: true }] } as const
  return { relation, name: `public.${name}`, types: [{ kind: 'integer' }], keyColumns: ['id'], isCaptured: true } as const
}

const tuple = (id: number) => ({ bytes: Buffer.from(String(id)), cells: [0, String(id).length] })
const inserted = (id: number) => ({ kind: 'insert', relation: 1, after: tuple(id) }) as const
const deleted = (id: number) => ({ kind: 'delete', relation: 1, before: { keyOnly: true, row: tuple(id) } }) as const
const moved = (from: number, to: number) => ({ kind: 'update', relation: 1, before: { keyOnly: true, row: tuple(from) }, after: tuple(to) }) as const

describe('Overlap', () => {
  const resumed: ResumedSnapshot = { parts: [{ table: 'public.b', after: ['9'], horizon: '100:100:' }, { table: 'public.b', after: ['20'], horizon: '200:210:205' }], until: 1n }
  const overlap = new Overlap(resumed, ['a', 'b', 'c'].map(table), noClient)

  it('leaves out what the part of its key shows, and nothing else', () => {
    const kept = (name: string, id: number, xid: number) => overlap.keptOf(inserted(id), streamed(name), xid)
    expect([kept('a', 99, 50), kept('b', 9, 50), kept('b', 10, 50), kept('b', 10, 150), kept('b', 100, 150), kept('b', 100, 205), kept('c', 1, 206), kept('c', 1, 205), kept('c', 1, 210)]).toEqual(
      ['all', 'all', 'none', 'all', 'none', 'all', 'none', 'all', 'all'],
    )
    expect([overlap.keptOf(deleted(5), streamed('b'), 50), overlap.keptOf(deleted(15), streamed('b'), 50)]).toEqual(['all', 'none'])
    expect([overlap.shows(205), overlap.shows(206), overlap.shows(210)]).toEqual([false, true, false])
  })

  it('tells half of the story of a row that moved between the parts', () => {
    const kept = (from: number, to: number, xid: number) => overlap.keptOf(moved(from, to), streamed('b'), xid)
    expect([kept(1, 15, 50), kept(15, 1, 50), kept(1, 2, 50), kept(15, 30, 50), kept(15, 30, 150), kept(30, 15, 150)]).toEqual(['old', 'new', 'all', 'none', 'old', 'new'])
  })

  it('says from where on rows are newer than a truncation', () => {
    expect([overlap.truncationOf('public.a', 50), overlap.truncationOf('public.c', 50), overlap.truncationOf('public.b', 50), overlap.truncationOf('public.b', 150), overlap.truncationOf('public.b', 205)]).toEqual(
      ['all', 'none', { behind: ['9'] }, { behind: ['20'] }, 'all'],
    )
  })

  it('keeps no part from which nothing was read, and is bounded however often a snapshot is cut off', () => {
    const at = (id: number) => ({ table: 'public.b', after: [String(id)] })
    const twice = resumedFrom(resumedFrom(null, at(3), '5:5:', 1n), at(3), '7:7:', 2n)
    expect(twice).toEqual({ parts: [{ ...at(3), horizon: '7:7:' }], until: 2n })
    let often = resumedFrom(null, at(0), '5:5:', 1n)
    for (let id = 1; id < 100; id++) often = resumedFrom(often, at(id), `${id + 5}:${id + 5}:`, BigInt(id))
    expect(often.parts).toHaveLength(32)
    expect([often.parts[0], often.parts.at(-1)]).toEqual([{ ...at(0), horizon: '5:5:' }, { ...at(99), horizon: '104:104:' }])
    const running = Array.from({ length: 5_000 }, (_, index) => 1_000_000 + index).join(',')
    expect(resumedFrom(null, at(1), `1000000:2000000:${running}`, 1n).parts[0]!.horizon).toBe('1000000:1000000:')
  })
})

await describeWith('postgres', 'a snapshot that was cut off', (server) => {
  it('goes on with the rows as they are then, and no change comes that they show', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create table t (id text primary key, n int); insert into t select 'k' || i, 0 from generate_series(1, 8) i`)
    const source = capture(url, { 'snapshot.fetch.size': '4' })
    await source.start()
    await pollPatiently(source)
    source.commit()
    await source.crash()
    await withClient(url, (late) => withClient(url, async (writer) => {
      await late.query(`begin; update t set n = 9 where id = 'k8'`)
      await writer.query(`update t set n = 1 where id in ('k2', 'k7'); delete from t where id in ('k1', 'k6'); update t set id = 'k9' where id = 'k3'; insert into t values ('k0', 1), ('k66', 1)`)
      await source.start()
      while (source.given.at(-1)?.offset['snapshotTable'] !== undefined) await pollPatiently(source)
      await late.query('commit')
      await writer.query(`insert into t values ('last', 0)`)
    }))
    const given = await untilGiven(source, 15)
    expect(rows(source).map(({ key, value }) => `${(value as { __op: string } | null)?.__op ?? 'd'} ${(key as { id: string }).id}`)).toEqual([
      ...['r k1', 'r k2', 'r k3', 'r k4'], // then it was cut off
      ...['r k5', 'r k66', 'r k7', 'r k8', 'r k9'],
      ...['u k2', 'd k1', 'd k3', 'c k0', 'u k8', 'c last'],
    ])
    expect(given.at(-1)!.offset['resumed']).toBeUndefined()
  })
})
