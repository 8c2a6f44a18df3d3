import { Agent, request } from 'node:http'
import { expect, it } from 'vitest'
import { ConnectWorker, openRestApi } from '../../../src/connect/index.ts'
import { afterTest, FedSource, KeepingSink, memoryLog, openBroker } from '../runtime/connect-kit.ts'
import { HostileRequests } from './hostile-requests.ts'
import type { HostileRequest } from './hostile-requests.ts'

/** The fault runs ask more often. */
const count = Number(process.env['MILLRACE_REST_FUZZ'] ?? 1000)
const seed = Number(process.env['MILLRACE_REST_FUZZ_SEED'] ?? 20_261_121)

const agent = new Agent({ keepAlive: true })

/** As written: `fetch` would tidy the path up. */
function ask(url: string, { method, path, body, contentType }: HostileRequest): Promise<{ readonly status: number; readonly text: string }> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path: path.replaceAll(' ', '%20'), headers: { ...(body !== undefined && contentType !== '' && { 'content-type': contentType }) }, agent }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', () => resolve({ status: answer.statusCode!, text: Buffer.concat(chunks).toString() }))
    })
    sent.on('error', reject)
    sent.setTimeout(30_000, () => sent.destroy(new Error(`no answer: ${method} ${path} ${body}`)))
    sent.end(body)
  })
}

it(`answers every one of ${count} hostile requests with a refusal of a kind or an answer, never with a stack (seed ${seed})`, async () => {
  const broker = await openBroker()
  const worker = ConnectWorker.open({ broker, log: memoryLog(), plugins: [new FedSource().plugin, new KeepingSink().plugin], config: { 'task.host': 'in-process', 'listeners': 'http://127.0.0.1:0', 'restart.policy': 'none' } })
  afterTest(() => worker.stop())
  afterTest(() => agent.destroy())
  const api = await openRestApi({ herder: worker.herder, parts: worker.parts, isReady: () => true })
  afterTest(() => api.close())
  const requests = new HostileRequests(seed)
  for (let index = 0; index < count; index++) {
    const hostile = requests.next()
    const { status, text } = await ask(api.url, hostile)
    const place = `${hostile.method} ${hostile.path} ${hostile.contentType} ${(hostile.body ?? '').slice(0, 300)}: ${status} ${text.slice(0, 300)}`
    expect(status, place).toBeLessThan(500)
    expect(text, place).not.toMatch(/\n\s+at |node_modules/)
    if (status >= 400) expect(JSON.parse(text), place).toMatchObject({ error_code: status, message: expect.stringMatching(/\S/) as unknown })
    // what was made on the way must not pile up
    if (index % 100 === 99) for (const name of worker.herder.names()) await worker.remove(name)
  }
  expect((await ask(api.url, { method: 'GET', path: '/health', body: undefined, contentType: undefined })).status).toBe(200)
}, 3_600_000)
