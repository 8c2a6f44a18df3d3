import { expect, it } from 'vitest'
import { copiedText, copiedValue, copyOut } from '../../../../connectors/postgres/cdc/copy-out.ts'
import { freshDatabase, withClient } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'

await describeWith('postgres', 'copyOut', (server) => {
  it('gives the cells of every row as they are: empty, null, with every character that has a meaning in the format', async () => {
    const hostile = ['', null, String.raw`\N`, String.raw`\n`, '\\', '\t', 'a\nb', '\b\f\r\v\u007f', 'äöü €😀', String.raw`\\x`, 'plain']
    const rows = await withClient(await freshDatabase(server), async (client) => {
      await client.query('create table t (n int, a text, b text)')
      for (const [n, text] of hostile.entries()) await client.query('insert into t values ($1, $2, $3)', [n, text, hostile.at(-1 - n)])
      const given: unknown[] = []
      await copyOut(client, 'select * from t order by n', (bytes, cells) => {
        given.push([copiedValue(bytes, cells, 0, { kind: 'integer' }), copiedText(bytes, cells, 1), copiedValue(bytes, cells, 2, { kind: 'text' })])
      })
      return given
    })
    expect(rows).toEqual(hostile.map((text, n) => [n, text, hostile.at(-1 - n)]))
  })

  it('says what went wrong, on the server or with a row, and leaves the connection fit for more', async () => {
    await withClient(server.url, async (client) => {
      await expect(copyOut(client, 'select * from no_such_table', () => undefined)).rejects.toThrow('no_such_table')
      await expect(copyOut(client, 'select generate_series(1, 3)', () => { throw new Error('not this row') })).rejects.toThrow('not this row')
      expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    })
  })
})
