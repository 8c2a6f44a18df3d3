/** Compares an answer of ours with a recorded one; what may differ is said at each place, and in docs/differences.md. */
import { packageVersion } from '../../src/connect/runtime/package-version.ts'

export interface Request {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly rawBody?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface ExpectedAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: unknown
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

export interface Exchange {
  readonly request: Request
  readonly expect: ExpectedAnswer
  readonly got: Answer
  readonly kind: 'standalone' | 'distributed'
  /** Path of the request before. */
  readonly before: string
}

type Json = Readonly<Record<string, unknown>>

const recordedVersion = '4.3.1'
/** The JVM's words, and classes of its libraries. */
const javaWords = /java\.|apache\.kafka\.connect\.runtime|Jackson|JsonToken|Cannot invoke|Cannot construct|Cannot deserialize|Unexpected end-of-input|not a recognizable type/

/** undefined: as recorded, or different on purpose. */
export function differenceOf({ request, expect, got, kind, before }: Exchange): string | undefined {
  // the recorded server refuses such paths; ours serves them
  if (/%2f|%25|%3b|;/i.test(request.path)) return got.status < 500 ? undefined : `${got.status}: ${got.text}`
  // bad input that the recorded worker takes for its own failure
  if (expect.status === 500 && got.status >= 400 && got.status < 500) return differentRefusal(expect.body as Json, got)
  if (expect.status !== got.status) return `expected ${expect.status}, got ${got.status}: ${got.text.slice(0, 600)}`
  for (const [name, value] of Object.entries(expect.headers ?? {})) if (got.headers[name] !== value) return `expected ${name}: ${value}, got ${got.headers[name]}`
  if (expect.body === null) return got.text === '' ? undefined : `expected no body, got ${got.text}`
  const body: unknown = got.text === '' ? null : JSON.parse(got.text)
  // a reset of the recorded cluster had not come through yet; ours has
  if (kind === 'distributed' && before.endsWith('/topics/reset') && request.path.endsWith('/topics')) return undefined
  return differentBody(request, ours(expect.body), body, kind)
}

/** The same sentence where it is one for people; every refusal has a code and a sentence. */
function differentRefusal(expected: Json, got: Answer): string | undefined {
  const body = JSON.parse(got.text) as Json
  if (body['error_code'] !== got.status || typeof body['message'] !== 'string' || body['message'] === '') return `a refusal without code and message: ${got.text}`
  const message = String(expected['message'])
  const isOwn = javaWords.test(message) || message.startsWith('No connector `')
  return isOwn || body['message'] === message ? undefined : `expected "${message}", got "${body['message']}"`
}

/** Versions of plugins and of the worker are those of this package. */
function ours(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value).replaceAll(`"${recordedVersion}"`, `"${packageVersion}"`))
}

function differentBody(request: Request, expected: unknown, got: unknown, kind: Exchange['kind']): string | undefined {
  const path = request.path.split('?')[0]!
  if (path === '/connectors' && Array.isArray(expected)) return same([...(expected as string[])].toSorted(), [...(got as string[])].toSorted(), 'connectors')
  if (path === '/connector-plugins' && Array.isArray(expected)) return missing(expected as readonly Json[], got as readonly Json[], ({ class: name, type }) => `${String(name)} ${String(type)}`)
  if (path.endsWith('/config/validate') && isObject(expected) && 'configs' in expected) return differentValidation(expected, got as Json)
  if (path.startsWith('/connector-plugins/') && Array.isArray(expected)) return missing(expected as readonly Json[], got as readonly Json[], ({ name }) => String(name))
  if (path.endsWith('/offsets') && isObject(expected) && Array.isArray(expected['offsets'])) return same(sorted(expected['offsets']), sorted((got as Json)['offsets'] as readonly unknown[]), 'offsets')
  if (path.startsWith('/admin/loggers') && kind === 'distributed' && Array.isArray(expected) && Array.isArray(got) && got.length === 0) return undefined // a level set for the cluster was there already
  if (isObject(expected) && typeof expected['message'] === 'string' && isObject(got)) return differentMessage(expected, got)
  return same(expected, withTasksThatWereQuick(expected, got, kind), 'body')
}

function sorted(list: readonly unknown[]): readonly unknown[] {
  return list.map(canonical).toSorted().map((text) => JSON.parse(text) as unknown)
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => (isObject(each) ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1))) : each))
}

/** The recorded cluster answered before the connector had planned; ours may have been quicker. */
function withTasksThatWereQuick(expected: unknown, got: unknown, kind: Exchange['kind']): unknown {
  if (kind !== 'distributed' || !isObject(expected) || !isObject(got) || !('config' in expected)) return got
  return Array.isArray(expected['tasks']) && expected['tasks'].length === 0 ? { ...got, tasks: [] } : got
}

/** Which plugins are installed is data of a worker. */
function differentMessage(expected: Json, got: Json): string | undefined {
  const marker = 'available connectors are:'
  const cut = (text: unknown) => String(text).split(marker)[0]
  return same({ ...expected, message: cut(expected['message']) }, { ...got, message: cut(got['message']) }, 'body')
}

function differentValidation(expected: Json, got: Json): string | undefined {
  const head = same({ ...expected, configs: null }, { ...got, configs: null }, 'answer')
  if (head !== undefined) return head
  const named = ({ value }: Json) => String((value as Json)['name'])
  return missing(expected['configs'] as readonly Json[], got['configs'] as readonly Json[], named)
}

/** Everything that was recorded is there and the same; ours has further plugins and options. */
function missing(expected: readonly Json[], got: readonly Json[], nameOf: (each: Json) => string): string | undefined {
  for (const each of expected) {
    const name = nameOf(each)
    const own = got.find((one) => nameOf(one) === name)
    if (own === undefined) return `${name} is missing`
    const difference = same(each, own, name)
    if (difference !== undefined) return difference
  }
  return undefined
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function same(expected: unknown, got: unknown, place: string): string | undefined {
  if (isObject(expected) && expected['$any'] === true) return got === null || got === undefined ? `${place}: expected something` : undefined
  if (Array.isArray(expected) && Array.isArray(got)) {
    // lists of plugins to choose from: ours has more
    if (place.endsWith('recommended_values')) return expected.every((each) => got.includes(each)) ? undefined : `${place}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`
    if (expected.length !== got.length) return `${place}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`
    return firstDifference(expected.map((each, index) => same(each, got[index], `${place}[${index}]`)))
  }
  if (isObject(expected) && isObject(got)) {
    // sentences for people are our own
    const names = [...new Set([...Object.keys(expected), ...Object.keys(got)])].filter((name) => name !== 'documentation')
    return firstDifference(names.map((name) => (name in expected && name in got ? same(expected[name], got[name], `${place}.${name}`) : `${place}.${name}: expected ${JSON.stringify(expected[name])}, got ${JSON.stringify(got[name])}`)))
  }
  return expected === got ? undefined : `${place}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`
}

function firstDifference(differences: readonly (string | undefined)[]): string | undefined {
  return differences.find((each) => each !== undefined)
}
