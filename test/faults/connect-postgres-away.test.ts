/** Numbers go from a topic to a table and from the table to another topic, while the server goes away twice, once by a crash, for MILLRACE_AWAY_MS each (default 300). */
import { expect, it } from 'vitest'
import { plugins } from '../../connectors/postgres/plugins.ts'
import { ConnectWorker } from '../../src/connect/index.ts'
import { sleep, systemClock } from '../../src/core/index.ts'
import { afterTest, memoryLog, openBroker, readTopic } from '../connect/runtime/connect-kit.ts'
import { queryRows, startPostgres } from '../kit/postgres.ts'
import { describeWith } from '../kit/services.ts'

const awayMs = Number(process.env['MILLRACE_AWAY_MS'] ?? 300)
const patienceMs = 120_000

await describeWith('postgres', 'a PostgreSQL server that goes away', () => {
  it(`for ${awayMs} ms is waited for by sink and source: nothing is missing, and nothing comes twice`, async () => {
    const server = await startPostgres()
    afterTest(() => server.stop())
    await queryRows(server.url, 'create table numbers (n bigint primary key)')
    const broker = await openBroker()
    const log = memoryLog()
    const worker = ConnectWorker.open({ broker, log, plugins, config: { 'task.host': 'in-process', 'offset.flush.interval.ms': '100', 'restart.policy': 'none' } })
    afterTest(() => worker.stop())
    const connection = { 'connection.url': server.url }
    await worker.start({ name: 'count', config: { 'connector.class': 'VerifiableSource', 'topic': 'numbers', 'throughput': '500' } })
    await worker.start({ name: 'write', config: { ...connection, 'connector.class': 'PostgresSink', 'topics': 'numbers', 'value.column': 'n', 'errors.retry.delay.max.ms': '500' } })
    await worker.start({ name: 'capture', config: { ...connection, 'connector.class': 'PostgresCdcSource', 'topic.prefix': 'db', 'slot.name': 'away', 'status.interval.ms': '300', 'errors.retry.delay.max.ms': '500' } })
    await worker.start({ name: 'verify', config: { 'connector.class': 'VerifiableSink', 'topics': 'db.public.numbers', 'transforms': 'row,n', 'transforms.row.type': 'ExtractNewRecordState', 'transforms.n.type': 'ExtractField$Value', 'transforms.n.field': 'n' } })

    const states = () => worker.status().map(({ name, tasks }) => `${name} ${tasks[0]?.state ?? 'none'}${tasks[0]?.waitingFor === undefined ? '' : ' (waits)'}`)
    const until = async (isSo: () => boolean, what: string) => {
      for (const deadline = systemClock.monotonic() + patienceMs; !isSo(); await sleep(systemClock, 20)) {
        if (systemClock.monotonic() > deadline) throw new Error(`never happened: ${what}: ${states().join(', ')}\n${log.lines.slice(-20).join('\n')}`)
      }
    }
    const gauge = (wanted: string) => worker.parts.runner.task('verify', 0)?.supervised.gauges().find(({ name }) => name === wanted)?.value ?? 0
    const more = (before: number) => until(() => gauge('verified_records') > before + 300, `${before + 300} numbers have gone the whole way`)
    await more(0)
    for (const how of ['crash', 'fast'] as const) {
      await server.stopServer(how)
      await until(() => ['write', 'capture'].every((name) => states().includes(`${name} RUNNING (waits)`)), `sink and source wait (${how})`)
      await sleep(systemClock, awayMs)
      const before = gauge('verified_records')
      await server.startServer()
      await more(before)
    }
    expect(states()).toEqual(['count RUNNING', 'write RUNNING', 'capture RUNNING', 'verify RUNNING'])
    expect([gauge('verified_gaps'), gauge('verified_repeats')]).toEqual([0, 0])
    await worker.stop()

    const rows = (await queryRows(server.url, 'select n from numbers order by n')).map(({ n }) => Number(n))
    expect(rows.findIndex((value, index) => value !== index), 'first wrong number in the table').toBe(-1)
    const captured = (await readTopic(broker, 'db.public.numbers')).map(({ value }) => (JSON.parse(value!) as { readonly after: { readonly n: number } }).after.n)
    expect(captured.findIndex((value, index) => Number(value) !== index), 'first wrong number captured').toBe(-1)
    expect(captured.length).toBeGreaterThan(900)
  }, 300_000)
})
