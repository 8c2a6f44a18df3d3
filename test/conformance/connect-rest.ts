/** Runs recorded conversations with Kafka Connect's REST API against our worker: real requests to a real server, on an embedded log (see FORMAT.md, `rest/`). */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConnectWorker, openDistributedWorker, openRestApi } from '../../src/connect/index.ts'
import type { Log } from '../../src/connect/index.ts'
import { decodeConfigRecord, encodeConfigRecord } from '../../src/connect/runtime/herder/config-records.ts'
import { decodeStatusRecord, encodeStatusRecord } from '../../src/connect/runtime/herder/status-records.ts'
import { decodeOffsetKey, decodeOffsetValue, encodeOffsetKey, encodeOffsetValue } from '../../src/connect/runtime/offset-codec.ts'
import { openEmbeddedBroker, sleep, systemClock } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import type { VectorFile } from '../kit/vectors.ts'
import type { CaseResult } from './case-result.ts'
import { differenceOf } from './connect-rest-answers.ts'
import type { Answer, ExpectedAnswer, Request } from './connect-rest-answers.ts'

interface Step {
  readonly request?: Request
  readonly expect?: ExpectedAnswer
  readonly await?: { readonly path: string; readonly until: readonly { readonly at: readonly (string | number)[]; readonly equals: unknown }[]; readonly timeoutMs: number }
  /** The real worker did not get there either. */
  readonly $neverSeen?: true
}

interface Transcript {
  readonly transcript: string
  readonly worker: 'standalone' | 'distributed'
  readonly files: Readonly<Record<string, readonly string[]>>
  readonly steps: readonly Step[]
}

interface Served {
  readonly url: string
  close(): Promise<void>
}

const quiet: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** Conversations mostly wait, so some go on at a time; those that speak of the same topics follow each other on one log, as when they were recorded. */
const lanes = 4

export async function runRest(files: readonly VectorFile[]): Promise<readonly CaseResult[]> {
  const queue = conversations(files)
  const results = new Map<VectorFile, readonly CaseResult[]>()
  await Promise.all(Array.from({ length: lanes }, async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await runConversation(next, results)
  }))
  return files.flatMap((file) => results.get(file) ?? [])
}

/** Files in groups of which no two speak of the same topic, in order. */
function conversations(files: readonly VectorFile[]): VectorFile[][] {
  const groups: { readonly topics: Set<string>; readonly files: VectorFile[] }[] = []
  for (const file of files) {
    const topics = new Set([...JSON.stringify(file.content).matchAll(/"(?:kafka_)?topics?(?:\.regex)?":"([^"]+)"/g)].map(([, topic]) => topic!))
    const same = groups.filter((group) => [...topics].some((topic) => group.topics.has(topic)))
    for (const group of same) groups.splice(groups.indexOf(group), 1)
    groups.push({ topics: new Set([...topics, ...same.flatMap((group) => [...group.topics])]), files: [...same.flatMap((group) => group.files), file] })
  }
  return groups.map((group) => group.files)
}

async function runConversation(files: readonly VectorFile[], results: Map<VectorFile, readonly CaseResult[]>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-rest-'))
  const broker = await openEmbeddedBroker({ directory: join(directory, 'log') })
  try {
    for (const [index, file] of files.entries()) {
      const { path, content } = file
      const isTopics = path.endsWith('internal-topics.json')
      results.set(file, isTopics ? internalTopics(path, content as InternalTopics) : await runTranscript(path, content as Transcript, broker, join(directory, `data-${index}`)))
    }
  } finally {
    await broker.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function runTranscript(path: string, transcript: Transcript, broker: Broker, data: string): Promise<readonly CaseResult[]> {
  mkdirSync(data)
  for (const [name, lines] of Object.entries(transcript.files)) writeFileSync(join(data, name), lines.map((line) => `${line}\n`).join(''))
  const served = await serve(transcript, broker, path.replace(/\W+/g, '-'))
  try {
    await awaited({ path: '/health', until: [{ at: ['status'], equals: 'healthy' }], timeoutMs: 30_000 }, served.url)
    const results: CaseResult[] = []
    for (const [index, step] of transcript.steps.entries()) {
      results.push({ name: `${path} step ${index + 1}`, ...(await runStep(step, { kind: transcript.worker, before: transcript.steps[index - 1]?.request?.path ?? '', url: served.url, data })) })
    }
    return results
  } finally {
    await served.close()
  }
}

/** A worker as the recorded ones were set up: fresh, with topics of its own for what it stores. */
async function serve({ worker: kind }: Transcript, broker: Broker, id: string): Promise<Served> {
  const converter = 'org.apache.kafka.connect.json.JsonConverter'
  const config = {
    'group.id': id, 'listeners': 'http://127.0.0.1:0', 'offset.flush.interval.ms': '1000', 'restart.policy': 'none', 'task.host': 'in-process', 'key.converter': converter, 'value.converter': converter,
    'exactly.once.source.support': 'disabled', 'offset.storage.topic': `${id}-offsets`,
  }
  if (kind === 'distributed') {
    const worker = await openDistributedWorker({ broker, log: quiet, config: { ...config, 'config.storage.topic': `${id}-configs`, 'status.storage.topic': `${id}-status` } })
    return { url: worker.url, close: () => worker.stop() }
  }
  const worker = ConnectWorker.open({ broker, log: quiet, config })
  const api = await openRestApi({ herder: worker.herder, parts: worker.parts, isReady: () => true })
  worker.workerId = new URL(api.url).host
  return {
    url: api.url,
    close: async () => {
      await api.close()
      await worker.stop()
    },
  }
}

interface Place {
  readonly kind: Transcript['worker']
  /** Path of the request of the step before. */
  readonly before: string
  readonly url: string
  readonly data: string
}

async function runStep(step: Step, { kind, before, url, data }: Place): Promise<Omit<CaseResult, 'name'>> {
  const filled = JSON.parse(JSON.stringify(step).replaceAll('${base}', url).replaceAll('${worker}', new URL(url).host).replaceAll('${data}', data)) as Step
  if (filled.await !== undefined) return step.$neverSeen === true ? { ok: true } : awaited(filled.await, url)
  const { request, expect } = filled
  const deadline = systemClock.monotonic() + 10_000
  for (;;) {
    const difference = differenceOf({ request: request!, expect: expect!, got: await ask(url, request!), kind, before })
    if (difference === undefined) return { ok: true }
    // what a change has set off may not be there yet: look again, as an await would
    if (request!.method !== 'GET' || systemClock.monotonic() > deadline) return { ok: false, detail: `${request!.method} ${request!.path}: ${difference}` }
    await sleep(systemClock, 50)
  }
}

async function ask(url: string, { method, path, body, rawBody, headers }: Request): Promise<Answer> {
  const text = rawBody ?? (body === undefined ? undefined : JSON.stringify(body))
  const answer = await fetch(`${url}${path}`, {
    method, headers: { Accept: 'application/json', ...(text !== undefined && { 'Content-Type': 'application/json' }), ...headers }, ...(text !== undefined && { body: text }),
  })
  return { status: answer.status, headers: Object.fromEntries(answer.headers), text: await answer.text() }
}

async function awaited({ path, until, timeoutMs }: NonNullable<Step['await']>, url: string): Promise<Omit<CaseResult, 'name'>> {
  const deadline = systemClock.monotonic() + timeoutMs
  for (;;) {
    const { text } = await ask(url, { method: 'GET', path })
    const body: unknown = text === '' ? null : JSON.parse(text)
    const missing = until.find(({ at, equals }) => JSON.stringify(memberAt(body, at)) !== JSON.stringify(equals))
    if (missing === undefined) return { ok: true }
    if (systemClock.monotonic() > deadline) return { ok: false, detail: `GET ${path}: ${missing.at.join('.')} never was ${JSON.stringify(missing.equals)}: ${text.slice(0, 500)}` }
    await sleep(systemClock, 50)
  }
}

function memberAt(body: unknown, [first, ...rest]: readonly (string | number)[]): unknown {
  if (first === undefined) return body
  if (typeof body !== 'object' || body === null) return undefined
  if (first === '#') return (body as { readonly length?: number }).length
  return memberAt((body as Readonly<Record<string, unknown>>)[first], rest)
}

// ------------------------------------------------------------------------------------------------ internal topics

interface TextRecord {
  readonly key: string
  readonly value: string | null
}

type InternalTopics = Readonly<Record<'connect-configs' | 'connect-offsets' | 'connect-status', readonly TextRecord[]>>

/** Each record is understood, and written again it is the same. */
function internalTopics(path: string, content: InternalTopics): readonly CaseResult[] {
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text))
  const again = (topic: keyof InternalTopics, { key, value }: TextRecord): readonly [string, string | null] | undefined => {
    if (topic === 'connect-configs') {
      const record = decodeConfigRecord(key, value)
      return record && encodeConfigRecord(record)
    }
    if (topic === 'connect-status') {
      const record = decodeStatusRecord(key, value)
      return record && encodeStatusRecord(record)
    }
    const [offsetKey, offset] = [decodeOffsetKey(bytes(key)), decodeOffsetValue(bytes(value === 'null' ? null : value))]
    return offsetKey === undefined || offset === undefined ? undefined : [Buffer.from(encodeOffsetKey(offsetKey.connector, offsetKey.partition)).toString(), offset === null ? null : Buffer.from(encodeOffsetValue(offset)!).toString()]
  }
  return (['connect-configs', 'connect-offsets', 'connect-status'] as const).flatMap((topic) => content[topic].map((record, index): CaseResult => {
    const name = `${path} ${topic} ${index + 1}`
    const got = again(topic, record)
    const isSame = got !== undefined && got[0] === record.key && canonical(got[1]) === canonical(record.value === 'null' ? null : record.value)
    return isSame ? { name, ok: true } : { name, ok: false, detail: `${record.key}: expected ${record.value}, got ${JSON.stringify(got)}` }
  }))
}

function canonical(text: string | null): string {
  return JSON.stringify(text === null ? null : JSON.parse(text), (_, value: unknown) => (typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))) : value))
}
