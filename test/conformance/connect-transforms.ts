import type { ConnectHeader, ConnectRecord, PredicatePlugin, TransformPlugin } from '../../src/connect/index.ts'
import { predicatePlugins } from '../../src/connect/predicates/index.ts'
import { transformPlugins } from '../../src/connect/transforms/index.ts'
import type { VectorFile } from '../kit/vectors.ts'
import type { CaseResult } from './case-result.ts'
import { beyondDates, hasWidths, isBeyondDates, numberWidth, readSchema, readValue, sameData, sameSchema, show } from './connect-values.ts'
import type { NotedSchema } from './connect-values.ts'

interface NotedValue {
  readonly schema: NotedSchema | null
  readonly value: unknown
}

interface NotedRecord {
  /** Default `t`, partition 0, offset 7 (of sink records). */
  readonly topic?: string
  readonly partition?: number | null
  readonly offset?: number
  readonly key: NotedValue
  readonly value: NotedValue
  readonly timestamp: number | null
  readonly headers?: readonly (NotedValue & { readonly name: string })[]
}

interface NotedError {
  readonly class: string
  readonly message: string
}

interface TransformCase {
  readonly name: string
  readonly transform?: string
  readonly predicate?: string
  readonly config: Readonly<Record<string, string>>
  readonly record?: NotedRecord
  readonly sourceRecord?: NotedRecord
  readonly expect: {
    readonly record?: NotedRecord
    readonly dropped?: true
    readonly result?: boolean
    readonly error?: NotedError
    readonly configError?: NotedError
  }
}

type Outcome = { readonly record: ConnectRecord | null } | { readonly result: boolean }

export function runTransforms(files: readonly VectorFile[]): readonly CaseResult[] {
  return files.flatMap(({ path, content }) => (content as { cases: readonly TransformCase[] }).cases.map((each): CaseResult => {
    const name = `${path} ${each.name}`
    const plugin = findPlugin(each)
    if (plugin === undefined) return { name, ok: false, pending: each.transform ?? each.predicate! }
    const detail = differenceOf(plugin, each)
    if (detail === undefined) return { name, ok: true }
    const reason = differsOnPurpose(each, detail)
    return reason === undefined ? { name, ok: false, detail: `${JSON.stringify(each.config)} ${detail}` } : { name, ok: false, pending: reason }
  }))
}

/** What JavaScript's values cannot hold, see docs/differences.md. */
function differsOnPurpose(each: TransformCase, detail: string): string | undefined {
  const { key, value } = each.record ?? each.sourceRecord!
  if ([key, value].some((side) => side.schema === null && hasWidths(side.value))) return numberWidth
  return isBeyondDates(each) || detail.includes('275760') ? beyondDates : undefined
}

function findPlugin({ transform, predicate }: TransformCase): TransformPlugin | PredicatePlugin | undefined {
  const plugins: readonly (TransformPlugin | PredicatePlugin)[] = transform === undefined ? predicatePlugins : transformPlugins
  return plugins.find((plugin) => plugin.class.endsWith(`.${transform ?? predicate}`))
}

function differenceOf(plugin: TransformPlugin | PredicatePlugin, each: TransformCase): string | undefined {
  const { expect } = each
  let run: (record: ConnectRecord) => Outcome
  try {
    run = prepare(plugin, each.config)
  } catch (error) {
    return expect.configError === undefined ? `configuration refused: ${String(error)}` : differentMessage(expect.configError, error)
  }
  if (expect.configError !== undefined) return `expected the configuration to be refused: ${expect.configError.message}`
  try {
    const outcome = run(readRecord(each))
    return expect.error === undefined ? differentOutcome(outcome, expect) : `expected ${expect.error.class}: ${expect.error.message}, got ${show(outcome)}`
  } catch (error) {
    return expect.error === undefined ? String(error) : differentError(error)
  }
}

function prepare(plugin: TransformPlugin | PredicatePlugin, config: TransformCase['config']): (record: ConnectRecord) => Outcome {
  if (plugin.type === 'transformation') {
    const transform = plugin.create(plugin.config.parse(config))
    return (record) => ({ record: transform.apply(record) })
  }
  const predicate = plugin.create(plugin.config.parse(config))
  return (record) => ({ result: predicate.test(record) })
}

/** Any of ours that says what is wrong with the data or the configuration. */
function differentError(error: unknown): string | undefined {
  return ['INVALID_DATA', 'CONNECTOR_FAILED', 'INVALID_CONFIG'].includes((error as { code?: string }).code ?? '') ? undefined : `expected an error about the data, got ${String(error)}`
}

/** Ours may go on with further complaints. Messages are compared where they name neither a Java class nor what Java's regular expressions and formats complain about. */
function differentMessage(expected: NotedError, error: unknown): string | undefined {
  const message = error instanceof Error ? error.message : String(error)
  const isJava = /java\.|apache\.|Invalid regex|InsertionSpec/.test(expected.message)
  return isJava || message.split('\n')[0] === expected.message ? undefined : `expected "${expected.message}", got "${message}"`
}

function readRecord({ record, sourceRecord }: TransformCase): ConnectRecord {
  const noted = record ?? sourceRecord!
  const [keySchema, valueSchema] = [readSchema(noted.key.schema), readSchema(noted.value.schema)]
  return {
    topic: noted.topic ?? 't', partition: noted.partition === undefined ? 0 : noted.partition, timestamp: noted.timestamp, keySchema, valueSchema,
    key: readValue(keySchema, noted.key.value), value: readValue(valueSchema, noted.value.value), headers: readHeaders(noted),
    ...(record !== undefined && { offset: noted.offset ?? 7 }),
  }
}

function readHeaders({ headers = [] }: NotedRecord): readonly ConnectHeader[] {
  return headers.map((header) => {
    const schema = readSchema(header.schema)
    return { key: header.name, schema, value: readValue(schema, header.value) }
  })
}

function differentOutcome(outcome: Outcome, expect: TransformCase['expect']): string | undefined {
  if ('result' in outcome) return outcome.result === expect.result ? undefined : `expected ${expect.result}, got ${outcome.result}`
  if (outcome.record === null) return expect.dropped === true ? undefined : 'dropped'
  return expect.record === undefined ? 'expected it to be dropped' : differentRecord(outcome.record, expect.record)
}

function differentRecord(got: ConnectRecord, expected: NotedRecord): string | undefined {
  for (const member of ['topic', 'partition', 'timestamp'] as const) {
    if ((got[member] ?? null) !== (expected[member] ?? null)) return `expected ${member} ${String(expected[member])}, got ${String(got[member])}`
  }
  const differences = [
    differentValue('key', { schema: got.keySchema, value: got.key }, expected.key),
    differentValue('value', { schema: got.valueSchema, value: got.value }, expected.value),
  ]
  const headers = expected.headers ?? []
  if (got.headers.length !== headers.length || got.headers.some(({ key }, index) => key !== headers[index]!.name)) return `expected headers ${show(headers)}, got ${show(got.headers)}`
  return [...differences, ...headers.map((header, index) => differentValue(`header ${header.name}`, got.headers[index]!, header))].find((difference) => difference !== undefined)
}

function differentValue(what: string, got: { readonly schema: ConnectHeader['schema']; readonly value: unknown }, expected: NotedValue): string | undefined {
  const schema = readSchema(expected.schema)
  if (!sameSchema(got.schema, schema)) return `expected ${what} schema ${show(schema)}, got ${show(got.schema)}`
  const value = readValue(schema, expected.value)
  return sameData(got.value, value) ? undefined : `expected ${what} ${show(value)}, got ${show(got.value)}`
}
