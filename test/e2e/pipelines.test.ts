/** The pipelines of docs/guide/pipelines.md, with the configurations and statements that stand there. */
import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openEmbeddedBroker } from 'millrace'
import type { Broker } from 'millrace'
import { ConnectWorker, sleep, systemClock } from 'millrace/connect'
import { plugins as filePlugins } from 'millrace/connectors/file'
import { plugins as postgresPlugins } from 'millrace/connectors/postgres'
import { StreamsApp } from 'millrace/streams'
import errorRate from '../../examples/error-rate/topology.ts'
import { freshDatabase, queryRows } from '../kit/postgres.ts'
import { describeWith } from '../kit/services.ts'
import { collectingLog } from '../kit/source-harness.ts'

const page = readFileSync(new URL('../../docs/guide/pipelines.md', import.meta.url), 'utf8')
const blocks = (language: string) => Array.from(page.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g')), ([, text]) => text!)
const connectors = new Map(blocks('json').map((text) => JSON.parse(text) as { name: string; config: Record<string, string> }).map(({ name, config }) => [name, config]))
const [createSearch, search, createOutbox, placeOrder] = blocks('sql') as [string, string, string, string]

const workerConfig = {
  'task.host': 'in-process', 'offset.flush.interval.ms': '50', 'key.converter': 'JsonConverter', 'key.converter.schemas.enable': 'false', 'value.converter': 'JsonConverter', 'value.converter.schemas.enable': 'false',
}

let folder: string
let closing: (() => Promise<void>)[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-pipelines-'))
})

afterEach(async () => {
  await closeAll()
  rmSync(folder, { recursive: true, force: true })
})

async function closeAll(): Promise<void> {
  for (const close of closing.splice(0).toReversed()) await close()
}

const at = (name: string) => join(folder, name)

async function open(names: readonly string[], overrides: Readonly<Record<string, Readonly<Record<string, string>>>>, prepare: (broker: Broker) => Promise<void> = () => Promise.resolve()) {
  const broker = await openEmbeddedBroker({ directory: at('log') })
  closing.push(() => broker.close())
  await prepare(broker)
  const log = collectingLog()
  const worker = ConnectWorker.open({ broker, log, config: workerConfig, plugins: [...filePlugins, ...postgresPlugins] })
  closing.push(() => worker.stop())
  for (const name of names) await worker.start({ name, config: { ...connectors.get(name)!, ...overrides[name] } })
  return log
}

async function until(condition: () => Promise<boolean>, what: () => unknown): Promise<void> {
  for (let tries = 0; tries < 4_800; tries++) {
    if (await condition()) return
    await sleep(systemClock, 25)
  }
  expect(what()).toBe('what was expected')
}

await describeWith('postgres', 'the pipelines of the guide', (server) => {
  it('count each request of a log once, through rotation and restarts: the error rate per minute in PostgreSQL', async () => {
    const url = await freshDatabase(server)
    const expected = new Map<string, { requests: number; errors: number }>()
    const write = (from: number, to: number) => {
      for (let n = from; n < to; n++) {
        const time = new Date(Date.UTC(2026, 10, 21, 7, Math.floor(n / 50), n % 50))
        const status = n % 7 === 0 ? 503 : 200
        const minute = `${time.toISOString().slice(0, 16)}:00.000Z`
        const sum = expected.get(minute) ?? { requests: 0, errors: 0 }
        expected.set(minute, { requests: sum.requests + 1, errors: sum.errors + (status === 503 ? 1 : 0) })
        appendFileSync(at('access.log'), `203.0.113.7 - - [21/Nov/2026:${time.toISOString().slice(11, 19)} +0000] "GET /${n} HTTP/1.1" ${status} 5\n${n % 60 === 0 ? 'no request\n' : ''}`)
      }
    }
    const table = async () => new Map((await queryRows(url, 'select * from error_rate order by minute').catch(() => [])).map(({ minute, requests, errors, rate }) => [minute, { requests, errors, rate }]))
    const wanted = () => new Map([...expected].map(([minute, sum]) => [minute, { ...sum, rate: sum.errors / sum.requests }]))
    let log = collectingLog()
    for (let round = 0; round < 3; round++) {
      log = await open(['access-log', 'error-rate'], { 'access-log': { path: at('access.log*'), 'poll.interval.ms': '10', 'rescan.interval.ms': '50' }, 'error-rate': { 'connection.url': url } }, async (broker) => {
        if (round === 0) await broker.topics.create(['requests', 'error-rate'].map((topic) => ({ topic, configs: { 'retention.ms': '-1' } })))
        const app = new StreamsApp(errorRate, { applicationId: 'error-rate', broker, windowChangelogRetention: '36500d' })
        await app.start()
        closing.push(() => app.close())
      })
      write(round * 100, round * 100 + 70)
      renameSync(at('access.log'), at(`access.log.${3 - round}`))
      write(round * 100 + 70, round * 100 + 100)
      if (round === 2) await until(async () => JSON.stringify([...(await table())]) === JSON.stringify([...wanted()]), () => log.lines)
      await closeAll()
    }
    expect(await table()).toEqual(wanted())
    expect(log.lines.filter((line) => line.startsWith('error'))).toEqual([])
  }, 300_000)

  it('keep a table that can be searched in step with a table of another database', async () => {
    const [shop, target] = [await freshDatabase(server), await freshDatabase(server)]
    await queryRows(shop, `create table products (id bigint primary key, title text, body text, price numeric); insert into products values (1, 'Red bicycle', 'fast', 100.50), (2, 'Blue bicycle', null, 90), (3, 'Red wagon', 'slow', 20)`)
    await queryRows(target, createSearch)
    const slot = `search_${process.pid}`
    const overrides = { products: { 'connection.url': shop, 'slot.name': slot }, search: { 'connection.url': target } }
    const log = await open(['products', 'search'], overrides)
    const found = async () => JSON.stringify((await queryRows(target, search)).map(({ id, title }) => [Number(id), title] as const).toSorted(([a], [b]) => String(a).localeCompare(String(b))))
    await until(async () => (await found()) === JSON.stringify([[1, 'Red bicycle']]), () => log.lines)
    await closeAll()
    await queryRows(shop, `update products set title = 'Red bicycle, used' where id = 1; update products set id = 20, title = 'Red bicycle for two' where id = 2; delete from products where id = 3; insert into products values (4, 'Bicycles', 'also in red', 1)`)
    await open(['products', 'search'], overrides)
    await until(async () => (await found()) === JSON.stringify([[1, 'Red bicycle, used'], [20, 'Red bicycle for two'], [4, 'Bicycles']]), () => log.lines)
    const [ours, theirs] = await Promise.all([queryRows(shop, 'select * from products order by id'), queryRows(target, 'select id, title, body, price from product_search order by id')])
    expect(theirs).toEqual(ours)
    await closeAll()
    await until(async () => (await queryRows(shop, 'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not active', [slot])).length === 1, () => 'a slot that can be dropped')
  }, 300_000)

  it('give the events of an outbox to the topics of their kinds, each once, with the transaction that they belong to or not at all', async () => {
    const shop = await freshDatabase(server)
    await queryRows(shop, `create table orders (id int primary key, status text); ${createOutbox}`)
    const slot = `outbox_${process.pid}`
    const overrides = { outbox: { 'connection.url': shop, 'slot.name': slot } }
    const eventsOf = async (broker: Broker, topic: string) => {
      const reader = await broker.openReader()
      const [end] = await broker.topics.listOffsets([{ topic, partition: 0, at: 'latest' }])
      reader.assign([{ topic, partition: 0, offset: 0 }])
      const events: unknown[] = []
      while (reader.positions()[0]!.offset < end!.offset) {
        for (const { batches } of (await reader.read()).partitions) for (const batch of batches) for (const { key, value } of batch) events.push([key, value].map((bytes) => JSON.parse(Buffer.from(bytes!).toString()) as unknown))
      }
      await reader.close()
      return events
    }
    let broker: Broker | undefined
    const prepare = async (opened: Broker) => {
      broker = opened
      if ((await opened.topics.list()).includes('order-events')) return
      await opened.topics.create(['order-events', 'invoice-events'].map((topic) => ({ topic })))
    }
    for (const round of [1, 2]) {
      const log = await open(['outbox'], overrides, prepare)
      // It is active, too, while it is being made: what is committed then is not in it.
      await until(async () => (await queryRows(shop, 'select 1 from pg_replication_slots where slot_name = $1 and active and confirmed_flush_lsn is not null', [slot])).length === 1, () => log.lines)
      await queryRows(shop, placeOrder.replaceAll('7', String(round * 10)))
      await queryRows(shop, `begin; insert into outbox (aggregatetype, aggregateid, payload) values ('order', '8', '{}'); rollback`)
      await until(async () => (await eventsOf(broker!, 'invoice-events')).length === round, () => log.lines)
      await closeAll()
    }
    broker = await openEmbeddedBroker({ directory: at('log') })
    expect(await eventsOf(broker, 'order-events')).toEqual([['10', { status: 'paid' }], ['20', { status: 'paid' }]])
    expect(await eventsOf(broker, 'invoice-events')).toEqual([['10', { order: 10, total: 100.5 }], ['20', { order: 20, total: 100.5 }]])
    await broker.close()
    await queryRows(shop, 'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not active', [slot])
  }, 300_000)
})
