/**
 * npx jiti tools/record-connect-rest.ts FOLDER
 *
 * Holds the conversations of `connect-conversations.ts` with the REST API of Kafka Connect's own workers, one that stands alone and one
 * of a cluster, on a Kafka of their own, and writes down what they answer as transcripts (the format of test/vectors/connect/FORMAT.md,
 * `rest/`). Needs Java and the compiler of it.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sleep, systemClock } from '../src/core/index.ts'
import { startKafka } from '../test/kit/kafka.ts'
import { startKafkaConnect } from '../test/kit/kafka-connect.ts'
import { conversations, shortened } from './connect-conversations.ts'
import type { Conversation, Step } from './connect-conversations.ts'

type WorkerKind = 'distributed' | 'standalone'

const folder = process.argv[2]
if (folder === undefined) throw new Error('say in which folder the transcripts shall be: npx jiti tools/record-connect-rest.ts FOLDER')
mkdirSync(folder, { recursive: true })

const only = process.argv[3]
const json = 'org.apache.kafka.connect.json.JsonConverter'
const kafka = await startKafka({ properties: ['auto.create.topics.enable=true'] })
try {
  for (const kind of ['distributed', 'standalone'] as const) await record(kind)
} finally {
  await kafka.stop()
}

async function record(kind: WorkerKind): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'millrace-rest-recording-'))
  const worker = await startKafkaConnect({
    bootstrapServers: kafka.bootstrapServers, withFileConnectors: true, mode: kind,
    config: { 'offset.flush.interval.ms': '1000', 'key.converter': json, 'value.converter': json, ...(kind === 'standalone' && { 'offset.storage.file.filename': join(home, 'offsets') }) },
  })
  try {
    for (const conversation of conversations) {
      if (conversation.on !== undefined && conversation.on !== kind) continue
      if (only !== undefined && conversation.name !== only) continue
      const data = join(home, conversation.name)
      mkdirSync(data)
      for (const [name, lines] of Object.entries(conversation.files ?? {})) writeFileSync(join(data, name), lines.map((line) => `${line}\n`).join(''))
      const steps: unknown[] = []
      for (const step of conversation.steps) steps.push(await held(step, { url: worker.url, data, kind }))
      await clean(worker.url)
      writeFileSync(join(folder!, `${kind}-${conversation.name}.json`), textOf(conversation, kind, steps))
      process.stdout.write(`${kind} ${conversation.name}: ${steps.length} steps\n`)
    }
  } finally {
    await worker.stop('SIGKILL')
    rmSync(home, { recursive: true, force: true })
  }
}

function textOf({ name, files = {} }: Conversation, kind: WorkerKind, steps: readonly unknown[]): string {
  const head = { transcript: `${kind}-${name}`, recordedFrom: 'Apache Kafka Connect 4.3.1', worker: kind, files }
  return `${JSON.stringify(head).slice(0, -1)},"steps":[\n${steps.map((step) => JSON.stringify(step)).join(',\n')}\n]}\n`
}

interface Place {
  readonly url: string
  readonly data: string
  readonly kind: WorkerKind
}

async function held(step: Step, place: Place): Promise<unknown> {
  const filled = JSON.parse(JSON.stringify(step).replaceAll('${data}', place.data)) as Step
  if ('until' in filled) {
    const isSeen = await awaited(filled, place.url)
    return { await: { ...step, timeoutMs: 30_000 }, ...(!isSeen && { $neverSeen: true }) }
  }
  const { method, path, body, rawBody, headers } = filled
  const text = rawBody ?? (body === undefined ? undefined : JSON.stringify(body))
  const answer = await fetch(`${place.url}${path}`, {
    method, headers: { Accept: 'application/json', ...(text !== undefined && { 'Content-Type': 'application/json' }), ...headers }, ...(text !== undefined && { body: text }),
  })
  return { request: step, expect: { status: answer.status, ...headersOf(answer, place), body: bodyOf(await answer.text(), place) } }
}

function headersOf(answer: Response, { url }: Place): object {
  const named = ['content-type', 'location', 'allow'].flatMap((name) => {
    const value = answer.headers.get(name)
    return value === null ? [] : [[name, value.replaceAll(url, '${base}')]]
  })
  return named.length === 0 ? {} : { headers: Object.fromEntries(named) as object }
}

/** What is of this run alone is a place to be filled, or anything. */
function bodyOf(text: string, { url, data }: Place): unknown {
  if (text === '') return null
  const general = text.replaceAll(url, '${base}').replaceAll(data, '${data}')
  try {
    return shortened(JSON.parse(general, (key, value: unknown) => (isOfThisRun(key, value) || isJavas(value) ? { $any: true } : value)))
  } catch {
    return { $text: general.slice(0, 300) }
  }
}

function isOfThisRun(key: string, value: unknown): boolean {
  return ['worker_id', 'trace', 'commit', 'kafka_cluster_id', 'last_modified'].includes(key) && value !== null
}

/** What Java says of a regular expression or of its own classes, and which versions of a plugin that worker has. */
function isJavas(value: unknown): boolean {
  return typeof value === 'string' && /Invalid regex: |available versions: |^Invalid value java\.lang/.test(value)
}

async function awaited({ path, until }: Extract<Step, { readonly until: unknown }>, url: string): Promise<boolean> {
  for (const deadline = systemClock.monotonic() + 20_000; systemClock.monotonic() < deadline; await sleep(systemClock, 100)) {
    const body: unknown = await (await fetch(`${url}${path}`)).json()
    if (until.every(({ at, equals }) => JSON.stringify(memberAt(body, at)) === JSON.stringify(equals))) return true
  }
  return false
}

function memberAt(body: unknown, [first, ...rest]: readonly (string | number)[]): unknown {
  if (first === undefined) return body
  if (typeof body !== 'object' || body === null) return undefined
  if (first === '#') return (body as { readonly length?: number }).length
  return memberAt((body as Readonly<Record<string, unknown>>)[first], rest)
}

/** The next conversation begins with a worker that runs nothing. */
async function clean(url: string): Promise<void> {
  for (const name of await (await fetch(`${url}/connectors`)).json() as string[]) await fetch(`${url}/connectors/${encodeURIComponent(name)}`, { method: 'DELETE' })
}
