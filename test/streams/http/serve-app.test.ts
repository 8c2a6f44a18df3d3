import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { longSerde, stringSerde } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, serveApp, session, topic, tumbling } from '../../../src/streams/index.ts'
import type { AppServer } from '../../../src/streams/index.ts'
import { createTopics, openMemoryBroker, write } from '../../kit/streams-harness.ts'

const words = topic('words', { key: stringSerde, value: stringSerde })
let broker: Broker
let app: StreamsApp
let server: AppServer

beforeAll(async () => {
  broker = await openMemoryBroker()
  await createTopics(broker, { words: 2, numbers: 1 })
  await write(broker, 'words', ['ann', 'bob', 'ann', 'al/ice'].map((key, index) => ({ key, value: `v${index}`, timestamp: 1_000 + index })))
  const builder = new StreamsBuilder()
  const stream = builder.stream(words)
  stream.groupByKey().count({ store: 'counts' })
  stream.groupByKey().windowedBy(tumbling('1m')).count({ store: 'minutes' })
  stream.groupByKey().windowedBy(session('1m')).count({ store: 'visits' })
  stream.toTable({ store: 'past', history: '1h' })
  builder.table(topic('numbers', { key: longSerde, value: stringSerde }), { store: 'numbers', logging: false })
  app = new StreamsApp(builder.build(), { applicationId: 'app', broker })
  await app.start()
  await app.caughtUp()
  server = await serveApp(app, { port: 0 })
})
afterAll(async () => {
  await server.close()
  await app.close()
  await broker.close()
})

async function get(path: string): Promise<{ readonly status: number; readonly body: unknown }> {
  const response = await fetch(server.url + path)
  return { status: response.status, body: await response.json() }
}

describe('an application served over HTTP', () => {
  it('says how it is', async () => {
    expect(await get('/')).toMatchObject({ status: 200, body: { applicationId: 'app', state: 'RUNNING', metrics: { inputRecords: 4 } } })
    expect((await get('/stores')).body).toContainEqual(expect.objectContaining({ name: 'counts', type: 'timestamped-key-value', isGlobal: false, partitions: [0, 1], lagRecords: 0, standbys: [] }))
    expect(await (await fetch(`${server.url}/metrics`)).text()).toContain('kafka_streams_stream_metrics_client_state')
    expect(await (await fetch(`${server.url}/topology`)).text()).toBe(app.topology.describe())
    expect((await fetch(`${server.url}/topology.svg`)).headers.get('content-type')).toBe('image/svg+xml')
  })

  it('gives rows by key, whatever the key looks like', async () => {
    expect(await get('/stores/counts/keys/ann')).toEqual({ status: 200, body: { value: 2, timestamp: 1_002 } })
    expect((await get(`/stores/counts/keys/${encodeURIComponent('al/ice')}`)).body).toMatchObject({ value: 1 })
    expect(await get('/stores/counts/keys/nobody')).toMatchObject({ status: 404 })
    expect((await get('/stores/minutes/keys/ann?from=0&to=1')).body).toEqual([{ start: 0, value: 2 }])
    expect((await get('/stores/visits/keys/ann')).body).toEqual([{ key: 'ann', start: 1_000, end: 1_002, value: 2 }])
    expect((await get('/stores/past/keys/ann?asOf=1001')).body).toMatchObject({ value: 'v0' })
    expect(await get('/stores/numbers/keys/5')).toMatchObject({ status: 404 })
    expect(await get('/stores/numbers/keys/five')).toMatchObject({ status: 400, body: { message: expect.stringContaining('no key of the store numbers') as string } })
  })

  it('gives rows of many keys, no more than are asked for', async () => {
    expect(((await get('/stores/counts')).body as { key: string }[]).map(({ key }) => key).sort()).toEqual(['al/ice', 'ann', 'bob'])
    expect((await get('/stores/counts?prefix=a&limit=1')).body).toHaveLength(1)
    expect(((await get('/stores/counts?from=an&to=b&reverse=true')).body as { key: string }[]).map(({ key }) => key)).toEqual(['ann'])
    expect((await get('/stores/minutes?from=0')).body).toContainEqual({ key: 'bob', start: 0, end: 60_000, value: 1 })
    expect((await get('/stores/visits')).body).toHaveLength(3)
    expect(await get('/stores/past')).toMatchObject({ status: 400 })
  })

  it('sends committed changes as they come', async () => {
    const stop = new AbortController()
    const response = await fetch(`${server.url}/stores/counts/changes`, { signal: stop.signal })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const events = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    for (let tries = 0; tries < 50 && !text.includes('"key":"bob"'); tries++) {
      await write(broker, 'words', [{ key: 'bob', value: 'again', timestamp: 2_000 }])
      text += (await events.read()).value ?? ''
    }
    expect(JSON.parse(/data: (.*)/.exec(text)![1]!)).toMatchObject({ key: 'bob', window: null, value: expect.any(Number) as number, timestamp: 2_000 })
    stop.abort()
    expect(await get('/stores/numbers/changes')).toMatchObject({ status: 400, body: { message: expect.stringContaining('no changelog') as string } })
  })

  it('lets this machine pause the application, and go on', async () => {
    const put = async (path: string, at = server) => ((response) => response.json().then((body: unknown) => ({ status: response.status, body })))(await fetch(at.url + path, { method: 'PUT' }))
    expect(await put('/pause')).toMatchObject({ status: 200, body: { state: 'RUNNING', isPaused: true } })
    expect(app.isPaused).toBe(true)
    expect(await put('/resume')).toMatchObject({ status: 200, body: { isPaused: false } })
    expect(await put('/stores/counts')).toMatchObject({ status: 405 })
    const open = await serveApp(app, { port: 0, host: '0.0.0.0' })
    expect(await put('/pause', open)).toMatchObject({ status: 403 })
    expect(app.isPaused).toBe(false)
    await open.close()
  })

  it('refuses what it does not have, what is no question, and names that are not its own', async () => {
    expect(await get('/stores/none')).toMatchObject({ status: 400, body: { error: 'INVALID_ARGUMENT' } })
    expect(await get('/else')).toMatchObject({ status: 404 })
    expect(await get('/stores/counts?limit=many')).toMatchObject({ status: 400 })
    expect(await get('/stores/counts?form=a')).toMatchObject({ status: 400, body: { message: 'rows of the store counts are not asked with "form" here; there is from, to, prefix, reverse, limit, stale' } })
    expect(await get('/stores/counts/keys/ann?stale=yes')).toMatchObject({ status: 400, body: { message: 'stale must be true or false, not "yes"' } })
    expect(await get('/stores/past/keys/ann?from=1')).toMatchObject({ status: 400 })
    expect((await fetch(server.url, { method: 'POST' })).status).toBe(405)
    const status = await new Promise((resolve) => request(server.url, { headers: { host: 'evil.example' } }, (response) => resolve(response.resume().statusCode)).end())
    expect(status).toBe(403)
    await expect(serveApp(app, { port: Number(new URL(server.url).port) })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
