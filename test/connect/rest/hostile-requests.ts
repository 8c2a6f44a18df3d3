/** Random and hostile requests for every endpoint of the REST API, from a seed. */
import { Agent, request } from 'node:http'
import { expect } from 'vitest'
import { ConnectWorker, openRestApi } from '../../../src/connect/index.ts'
import { randomInteger, seededRandom } from '../../../src/core/random.ts'
import type { Random } from '../../../src/core/random.ts'
import { afterTest, FedSource, KeepingSink, memoryLog, openBroker } from '../runtime/connect-kit.ts'

export interface HostileRequest {
  readonly method: string
  readonly path: string
  readonly body: string | undefined
  readonly contentType: string | undefined
}

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
const names = ['fed', 'none', '', ' ', '%00', '%2F', '%25', 'a%2Fb', '..%2f..%2fetc', 'ü', '%C3%BC', '%ff', '__proto__', 'constructor', 'x'.repeat(300), 'a;b', '%0a', '-1', '0', '99999999999999999999']
const places = [
  '/', '/health', '/connectors', '/connectors?expand=info&expand=status', '/connectors?expand=%00', '/connectors/$', '/connectors/$/config', '/connectors/$/status', '/connectors/$/tasks', '/connectors/$/tasks/$/status',
  '/connectors/$/tasks/$/restart', '/connectors/$/restart?includeTasks=$&onlyFailed=$', '/connectors/$/pause', '/connectors/$/resume', '/connectors/$/stop', '/connectors/$/topics', '/connectors/$/topics/reset',
  '/connectors/$/offsets', '/connector-plugins?connectorsOnly=$', '/connector-plugins/$/config', '/connector-plugins/$/config/validate', '/connector-plugins/FedSource/config/validate', '/admin/loggers', '/admin/loggers/$', '/openapi.json', '/$',
]
const words = ['FedSource', 'KeepingSink', 'FileStreamSource', 'JsonConverter', 'Cast$Value', 'RegexRouter', '', ' ', '1', '-1', '1e999', 'NaN', 'true', 'a,a', 'a,b', '${env:HOME}', '${nope:x}', '((((', '(?<n>a)\\k<n>', '\u0000', '\ud800', '💥', 'x'.repeat(2000), '__proto__']
const keys = [
  'connector.class', 'name', 'tasks.max', 'topics', 'topics.regex', 'transforms', 'transforms.a.type', 'transforms.a.spec', 'transforms.a.regex', 'predicates', 'predicates.a.type', 'predicates.a.pattern', 'key.converter',
  'value.converter', 'value.converter.schema.content', 'errors.tolerance', 'errors.deadletterqueue.topic.name', 'producer.override.acks', 'consumer.override.group.id', 'topic.creation.groups', 'topic.creation.a.include', '__proto__', 'toString', '', '.',
]

export class HostileRequests {
  readonly #random: Random

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  next(): HostileRequest {
    const method = this.#of(methods)
    const path = this.#of(places).replaceAll('$', () => this.#of(names))
    const hasBody = method !== 'GET' && method !== 'DELETE' && this.#random.next() < 0.9
    return { method, path, body: hasBody ? this.#body() : undefined, contentType: this.#random.next() < 0.95 ? 'application/json' : this.#of(['text/plain', 'application/xml', '']) }
  }

  #body(): string {
    const kind = randomInteger(this.#random, 6)
    if (kind === 0) return this.#of(['', '{', '[', '"', 'null', '[]', '5', 'true', '{}', '{"offsets":[{}]}', '\u0000', '{"a":'.repeat(500), `${'['.repeat(2000)}${']'.repeat(2000)}`])
    if (kind === 1) return JSON.stringify({ offsets: this.#json(3) })
    if (kind === 2) return JSON.stringify({ level: this.#json(1) })
    if (kind === 3) return JSON.stringify({ name: this.#json(1), config: this.#config(), initial_state: this.#json(1) })
    return kind === 4 ? JSON.stringify(this.#config()) : JSON.stringify(this.#json(4))
  }

  #config(): Record<string, unknown> {
    const config = Object.fromEntries(Array.from({ length: randomInteger(this.#random, 8) }, () => [this.#of(keys), this.#random.next() < 0.9 ? this.#of(words) : this.#json(2)]))
    return this.#random.next() < 0.7 ? { 'connector.class': 'FedSource', ...config } : config
  }

  #json(depth: number): unknown {
    const kind = randomInteger(this.#random, depth > 0 ? 7 : 5)
    if (kind === 0) return null
    if (kind === 1) return this.#random.next() < 0.5
    if (kind === 2) return this.#of([0, -1, 1.5, 2 ** 53, 1e300])
    if (kind < 5) return this.#of(words)
    if (kind === 5) return Array.from({ length: randomInteger(this.#random, 4) }, () => this.#json(depth - 1))
    return Object.fromEntries(Array.from({ length: randomInteger(this.#random, 4) }, () => [this.#of([...keys, 'partition', 'offset', 'kafka_topic', 'kafka_partition', 'kafka_offset']), this.#json(depth - 1)]))
  }

  #of<T>(list: readonly T[]): T {
    return list[randomInteger(this.#random, list.length)]!
  }
}

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

/** Every answer is one of the API's own, and afterwards the worker is well. */
export async function surviveHostileRequests(count: number, seed: number): Promise<void> {
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
}
