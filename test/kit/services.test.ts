import { describe, expect, it } from 'vitest'
import { freshDatabase, queryRows, startPostgres } from './postgres.ts'
import { describeWith } from './services.ts'
import { askForShared, serveShared } from './shared-services.ts'

describe('serveShared', () => {
  it('starts a service once for all who ask, and stops it at the end', async () => {
    let starts = 0
    let stops = 0
    const stop = () => Promise.resolve(void stops++)
    const services = await serveShared({ echo: () => Promise.resolve({ url: `echo:${++starts}`, stop }) })
    const answers = await Promise.all([1, 2, 3].map(() => askForShared(services.port, 'echo')))
    await services.close()
    expect(answers).toEqual([1, 2, 3].map(() => ({ kind: 'available', address: { url: 'echo:1' } })))
    expect(stops).toBe(1)
  })

  it('answers with the reason when a service cannot be started', async () => {
    const services = await serveShared({ broken: () => Promise.reject(new Error('no licence')) })
    expect(await askForShared(services.port, 'broken')).toEqual({ kind: 'unavailable', reason: 'no licence' })
    expect(await askForShared(services.port, 'other')).toEqual({ kind: 'unavailable', reason: 'no service is called other' })
    await services.close()
  })
})

await describeWith('postgres', 'the PostgreSQL of the test kit', (server) => {
  it('gives each test file a database of its own', async () => {
    const first = await freshDatabase(server)
    const second = await freshDatabase(server)
    await queryRows(first, 'create table here (id int)')
    expect(await queryRows(first, `select to_regclass('here') is not null as found`)).toEqual([{ found: true }])
    expect(await queryRows(second, `select to_regclass('here') is not null as found`)).toEqual([{ found: false }])
  })

  it.skipIf(server.origin === 'environment')('keeps committed rows when its process is killed and started again', async () => {
    const own = await startPostgres()
    try {
      await queryRows(own.url, 'create table kept as select 1 as id')
      await own.stopServer('crash')
      await expect(queryRows(own.url, 'select 1')).rejects.toThrow(/ECONNREFUSED/)
      await own.startServer()
      expect(await queryRows(own.url, 'select id from kept')).toEqual([{ id: 1 }])
    } finally {
      await own.stop()
    }
  })
})
