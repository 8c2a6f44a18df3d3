import { expect, it } from 'vitest'
import { CopyOut } from '../../../../connectors/postgres/cdc/copy-out.ts'
import { systemClock } from 'millrace/connect'
import type { Client } from 'pg'
import { freshDatabase, withClient } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'

const copy = (client: Client, query: string, blockRows = 1000) => new CopyOut(client, query, { blockRows, clock: systemClock, silenceTimeoutMs: Number.POSITIVE_INFINITY })

async function rowsOf(part: CopyOut): Promise<{ readonly rows: (string | null)[][]; readonly mostRows: number }> {
  const rows: (string | null)[][] = []
  let mostRows = 0
  for (let block = await part.take(); block !== null; block = await part.take()) {
    mostRows = Math.max(mostRows, block.rowCount)
    for (let row = 0; row < block.rowCount; row++) {
      const { bytes, cells } = block.row(row)
      rows.push(Array.from({ length: cells.length / 2 }, (_, index) => (cells[2 * index]! < 0 ? null : bytes.toString('utf8', cells[2 * index], cells[2 * index + 1]))))
    }
  }
  return { rows, mostRows }
}

await describeWith('postgres', 'CopyOut', (server) => {
  it('gives the cells of every row as they are: empty, null, with every character that has a meaning in the format', async () => {
    const hostile = ['', null, String.raw`\N`, String.raw`\n`, '\\', '\t', 'a\nb', '\b\f\r\v\u007f', 'äöü €😀', String.raw`\\x`, 'plain']
    const given = await withClient(await freshDatabase(server), async (client) => {
      await client.query('create table t (n int, a text, b text)')
      for (const [n, text] of hostile.entries()) await client.query('insert into t values ($1, $2, $3)', [n, text, hostile.at(-1 - n)])
      return rowsOf(copy(client, 'select * from t order by n'))
    })
    expect(given.rows).toEqual(hostile.map((text, n) => [String(n), text, hostile.at(-1 - n)]))
  })

  it('gives every row once, in order, when they are far more than it holds and their reader is slow (dbz#1554)', async () => {
    await withClient(server.url, async (client) => {
      const part = copy(client, `select i, repeat('x', 1000) from generate_series(1, 5000) i`, 100)
      const { rows, mostRows } = await rowsOf(part)
      expect(rows.map(([id]) => Number(id))).toEqual(Array.from({ length: 5000 }, (_, index) => index + 1))
      expect(mostRows).toBeLessThanOrEqual(100)
    })
  })

  it('takes rows without columns and rows larger than a block', async () => {
    await withClient(server.url, async (client) => {
      expect((await rowsOf(copy(client, 'select from generate_series(1, 3)'))).rows).toEqual([[''], [''], ['']]) // as a column with an empty text
      expect((await rowsOf(copy(client, `select repeat('y', 2000000), 1`))).rows).toEqual([['y'.repeat(2_000_000), '1']])
    })
  })

  it('says what went wrong, and leaves the connection fit for more', async () => {
    await withClient(server.url, async (client) => {
      await expect(copy(client, 'select * from no_such_table').take()).rejects.toThrow('no_such_table')
      await expect(rowsOf(copy(client, 'select 1 / (3 - i) from generate_series(1, 3) i'))).rejects.toThrow('division by zero')
      expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    })
  })
})
