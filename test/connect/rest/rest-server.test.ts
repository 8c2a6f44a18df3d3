import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConnectWorker, openRestApi } from '../../../src/connect/index.ts'
import type { RawConfig } from '../../../src/connect/index.ts'
import { restConfigOf } from '../../../src/connect/rest/rest-config.ts'
import { RestServer } from '../../../src/connect/rest/rest-server.ts'
import { workerConfig } from '../../../src/connect/runtime/worker-config.ts'
import { ManualClock } from '../../kit/manual-clock.ts'
import { afterTest, FedSource, KeepingSink, memoryLog, openBroker, temporaryDirectory, until } from '../runtime/connect-kit.ts'

async function serve(config: RawConfig = {}) {
  const [source, sink, log] = [new FedSource(), new KeepingSink(), memoryLog()]
  const broker = await openBroker()
  const worker = ConnectWorker.open({ broker, log, plugins: [source.plugin, sink.plugin], config: { 'task.host': 'in-process', 'listeners': 'http://127.0.0.1:0', ...config } })
  afterTest(() => worker.stop())
  const api = await openRestApi({ herder: worker.herder, parts: worker.parts, isReady: () => true })
  afterTest(() => api.close())
  const ask = async (path: string, request: RequestInit = {}) => {
    const answer = await fetch(`${api.url}${path}`, request)
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, text, body: text.startsWith('{') || text.startsWith('[') ? (JSON.parse(text) as unknown) : null }
  }
  const put = (path: string, body: unknown, method = 'PUT') => ask(path, { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
  return { ask, put, api, log, source, sink, worker, broker }
}

describe('the REST API', () => {
  it('lets nobody wait for longer than 90 s, and says what the worker does', async () => {
    const clock = new ManualClock()
    let asked = () => {}
    const isAsked = new Promise<void>((resolve) => { asked = resolve })
    const server = await RestServer.open({
      config: restConfigOf(workerConfig.parse({ listeners: 'http://127.0.0.1:0' }), {}), clock, log: memoryLog(), redact: (text) => text, stage: () => 'The worker is currently thinking', adminEndpoints: [],
      endpoints: [{ method: 'GET', path: '/slow', summary: 'Never answers.', answers: {}, handle: () => { asked(); return new Promise(() => {}) } }],
    })
    afterTest(() => server.close())
    const answer = fetch(`${server.url}/slow`)
    await isAsked
    await clock.advance(90_000)
    expect((await answer).status).toBe(500)
    expect(await (await answer).json()).toEqual({ error_code: 500, message: 'Request timed out. The worker is currently thinking' })
    expect(clock.pendingTimers).toBe(0)
  })

  it('says that it is for this machine only, unless it was told otherwise', async () => {
    const { log } = await serve()
    expect(log.lines).toContainEqual(expect.stringMatching(/REST API listens on http:\/\/127\.0\.0\.1:\d+, for this machine only; set listeners to open it to others/))
  })

  it('takes a trailing slash, and tells a wrong method from a wrong path', async () => {
    const { ask } = await serve()
    expect(await ask('/connectors/')).toMatchObject({ status: 200, text: '[]' })
    const wrongMethod = await ask('/connectors', { method: 'PUT' })
    expect(wrongMethod).toMatchObject({ status: 405, body: { error_code: 405, message: 'HTTP 405 Method Not Allowed' } })
    expect(wrongMethod.headers.get('allow')).toBe('GET,POST,OPTIONS')
    expect(await ask('/nowhere')).toMatchObject({ status: 404, body: { error_code: 404, message: 'HTTP 404 Not Found' } })
  })

  it.each(['{', '[]', '5', '"x"', 'null', '{"name":"x","config":{"a":{"b":1}}}', '{"name":"x"}', '{"name":"x","config":{},"more":1}', '{"name":["x"],"config":{}}'])('refuses the body %s with 400 and a sentence', async (body) => {
    const { ask } = await serve()
    const answer = await ask('/connectors', { method: 'POST', body, headers: { 'content-type': 'application/json' } })
    expect(answer).toMatchObject({ status: 400, body: { error_code: 400, message: expect.stringMatching(/\w/) as unknown } })
    expect(answer.text).not.toMatch(/\bat \S+ \(|node_modules/)
  })

  it('looks at no body where none is asked for, but at its content type, as Kafka Connect does', async () => {
    const { ask, put } = await serve()
    await put('/connectors/fed/config', { 'connector.class': 'FedSource' })
    const pause = async (contentType: string, body: string) => (await ask('/connectors/fed/pause', { method: 'PUT', body, headers: { 'content-type': contentType } })).status
    expect(await pause('application/json', '{bad')).toBe(202)
    expect(await pause('application/json', 'null')).toBe(202)
    expect(await pause('application/x-www-form-urlencoded', '')).toBe(415)
  })

  it('keeps keys that it does not know, as Kafka Connect does, and warns of them', async () => {
    const { put, log } = await serve()
    const answer = await put('/connectors/fed/config', { 'connector.class': 'FedSource', 'made.up': 'x' })
    expect(answer).toMatchObject({ status: 201, body: { config: { 'made.up': 'x', 'name': 'fed' } } })
    expect(log.lines).toContainEqual(expect.stringContaining('warn: connector fed: Unknown configuration "made.up"'))
  })

  it('asks for a user and a password where a file of users is named', async () => {
    const file = join(temporaryDirectory(), 'users')
    writeFileSync(file, 'ada=secret\n')
    const { ask } = await serve({ 'rest.extension.classes': 'org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension', 'rest.basic.auth.file': file })
    const as = (user: string) => ask('/connectors', { headers: { authorization: `Basic ${Buffer.from(user).toString('base64')}` } })
    expect((await ask('/connectors')).status).toBe(401)
    expect((await as('ada:wrong')).status).toBe(401)
    expect((await as('bob:secret')).status).toBe(401)
    expect((await as('ada:secret')).status).toBe(200)
  })

  it('lets pages of other origins in as access.control.allow.origin says, and adds the headers that are asked for', async () => {
    const { ask } = await serve({ 'access.control.allow.origin': 'https://ui.example', 'access.control.allow.methods': 'GET,PUT', 'response.http.headers.config': 'set X-Frame-Options:DENY, "add Cache-Control:no-cache, no-store"' })
    const { headers } = await ask('/connectors', { headers: { origin: 'https://ui.example' } })
    expect(headers.get('access-control-allow-origin')).toBe('https://ui.example')
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('cache-control')).toBe('no-cache, no-store')
    const other = await ask('/connectors', { headers: { origin: 'https://else.example' } })
    expect(other.headers.get('access-control-allow-origin')).not.toBe('https://else.example')
  })

  it('has its loggers nowhere when admin.listeners is empty, and elsewhere when it names a place', async () => {
    const { ask } = await serve({ 'admin.listeners': '' })
    expect((await ask('/admin/loggers')).status).toBe(404)
  })

  it('lets a logger say more when it is told to', async () => {
    const { put, ask, log, worker } = await serve()
    worker.parts.log.debug('too much')
    expect(await put('/admin/loggers/millrace.connect', { level: 'error' })).toMatchObject({ status: 200, body: ['millrace.connect'] })
    worker.parts.log.info('not now')
    expect((await ask('/admin/loggers')).body).toMatchObject({ 'root': { level: 'INFO', last_modified: null }, 'millrace.connect': { level: 'ERROR' } })
    expect(log.lines.filter((line) => /too much|not now/.test(line))).toEqual([])
  })

  it('shows no secret that a config provider gave', async () => {
    process.env['REST_TEST_SECRET'] = 'hunter2-hunter2'
    const { put, ask, log } = await serve({ 'config.providers': 'env' })
    const config = { 'connector.class': 'FedSource', 'limit': '${env:REST_TEST_SECRET}' }
    const refused = await put('/connectors/fed/config', config)
    expect(refused.status).toBe(400)
    const validated = await put('/connector-plugins/FedSource/config/validate', config)
    expect(validated.status).toBe(200)
    for (const text of [refused.text, validated.text, (await ask('/connectors')).text, log.lines.join('\n')]) expect(text).not.toContain('hunter2')
  })

  it('forbids what is not to be seen: 403 for topics when they are not tracked', async () => {
    const { ask } = await serve({ 'topic.tracking.enable': 'false' })
    expect(await ask('/connectors/x/topics')).toMatchObject({ status: 403, body: { message: 'Topic tracking is disabled.' } })
  })

  it('refuses client settings that the policy does not allow', async () => {
    const { put } = await serve({ 'connector.client.config.override.policy': 'None' })
    const answer = await put('/connectors/fed/config', { 'connector.class': 'FedSource', 'producer.override.linger.ms': '5' })
    expect(answer).toMatchObject({ status: 400 })
    expect(answer.text).toContain("The 'None' policy does not allow 'linger.ms' to be overridden in the connector configuration.")
  })

  it('describes itself in OpenAPI, every endpoint once', async () => {
    const { ask } = await serve()
    const document = (await ask('/openapi.json')).body as { readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>> }
    expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(['/', '/health', '/connectors', '/connectors/{connector}/offsets', '/connector-plugins/{plugin}/config/validate', '/admin/loggers/{logger}', '/metrics']))
    expect(document.paths['/connectors']!['post']).toMatchObject({ requestBody: { content: { 'application/json': { schema: { required: ['config'] } } } }, responses: { 201: {}, 400: {}, 409: {} } })
  })

  it('counts for Prometheus what tasks have done', async () => {
    const { ask, put, source, worker } = await serve()
    source.feed('a', 'b')
    await put('/connectors', { name: 'fed', config: { 'connector.class': 'FedSource' } }, 'POST')
    await until(() => worker.status()[0]?.tasks[0]?.records === 2, 'two records are counted')
    source.context!.gauge({ name: 'queue_records', help: 'Waiting.' }, () => 42)
    const { text, headers } = await ask('/metrics')
    expect(headers.get('content-type')).toContain('text/plain')
    expect(text).toContain('kafka_connect_source_task_source_record_write_total{connector="fed",task="0"} 2')
    expect(text).toContain('kafka_connect_worker_task_count 1')
    expect(text).toContain('# HELP millrace_connector_queue_records Waiting.')
    expect(text).toContain('millrace_connector_queue_records{connector="fed",task="0"} 42')
    expect(text).toMatch(/^# TYPE kafka_log_log_size gauge$/m)
    expect(text).toMatch(/^kafka_server_brokertopicmetrics_messagesin_total\{topic="[^"]+"\} 2$/m)
  })

  it('refuses a listener that cannot be one, and TLS without a certificate', async () => {
    await expect(serve({ listeners: '' })).rejects.toThrow(/configuration listeners: .*at least one URL is expected/)
    await expect(serve({ listeners: 'ftp://x:1' })).rejects.toThrow(/Invalid value ftp:\/\/x:1 for configuration listeners/)
    await expect(serve({ listeners: 'https://127.0.0.1:0' })).rejects.toThrow(/needs a certificate/)
  })
})
