import {
  booleanConverter, byteArrayConverter, doubleConverter, floatConverter, integerConverter, jsonConverter, jsonConverterConfig, longConverter, shortConverter,
  stringConverter, stringConverterConfig,
} from '../../src/connect/converters/index.ts'
import type { Converter } from '../../src/connect/converters/index.ts'
import type { VectorFile } from '../kit/vectors.ts'
import type { CaseResult } from './case-result.ts'
import { beyondDates, hasWidths, isBeyondDates, numberWidth, readSchema, readValue, sameData, sameSchema, show } from './connect-values.ts'
import type { NotedSchema } from './connect-values.ts'

interface NotedError {
  readonly class: string
  readonly message: string
}

interface ConverterCase {
  readonly name: string
  readonly converter: string
  readonly config: Readonly<Record<string, string>>
  readonly isKey: boolean
  readonly direction: 'fromConnect' | 'toConnect'
  readonly schema?: NotedSchema | null
  readonly value?: unknown
  readonly bytes?: string | null
  readonly text?: string
  readonly expect: {
    readonly bytes?: string | null
    readonly text?: string
    readonly schema?: NotedSchema | null
    readonly value?: unknown
    readonly error?: NotedError
    readonly configError?: NotedError
  }
}

const makers: Readonly<Record<string, (config: ConverterCase['config']) => Converter>> = {
  StringConverter: (config) => stringConverter(stringConverterConfig.parse({ 'converter.type': 'value', ...config })),
  JsonConverter: (config) => jsonConverter(jsonConverterConfig.parse({ 'converter.type': 'value', ...config })),
  ByteArrayConverter: byteArrayConverter,
  BooleanConverter: booleanConverter,
  ShortConverter: shortConverter,
  IntegerConverter: integerConverter,
  LongConverter: longConverter,
  FloatConverter: floatConverter,
  DoubleConverter: doubleConverter,
}

export function runConverters(files: readonly VectorFile[]): readonly CaseResult[] {
  return files.flatMap(({ path, content }) => (content as { cases: readonly ConverterCase[] }).cases.map((each) => runCase(path, each)))
}

function runCase(path: string, each: ConverterCase): CaseResult {
  const name = `${path} ${each.name}`
  const make = makers[each.converter]
  if (make === undefined) return { name, ok: false, pending: each.converter }
  const detail = differenceOf(make, each)
  if (detail === undefined) return { name, ok: true }
  if (hasSchemalessNumber(each)) return { name, ok: false, pending: numberWidth }
  return isBeyondDates(each) ? { name, ok: false, pending: beyondDates } : { name, ok: false, detail }
}

/** JavaScript has one number type: what upstream decides by the Java class of a number without schema, we decide by its value. */
function hasSchemalessNumber({ schema, value }: ConverterCase): boolean {
  const raw = typeof value === 'object' && value !== null && 'raw' in value ? value.raw : schema === null ? value : undefined
  return typeof raw === 'number' || hasWidths(raw)
}

function differenceOf(make: (config: ConverterCase['config']) => Converter, each: ConverterCase): string | undefined {
  const { expect } = each
  let converter: Converter
  try {
    converter = make(each.config)
  } catch (error) {
    return expect.configError === undefined ? `configuration refused: ${String(error)}` : differentMessage(expect.configError, error)
  }
  if (expect.configError !== undefined) return `expected the configuration to be refused: ${expect.configError.message}`
  try {
    const difference = each.direction === 'fromConnect' ? written(converter, each) : read(converter, each)
    return expect.error === undefined ? difference : `expected ${expect.error.class}: ${expect.error.message}`
  } catch (error) {
    if (expect.error === undefined) return String(error)
    return (error as { code?: string }).code === 'INVALID_DATA' ? undefined : `expected a data error, got ${String(error)}`
  }
}

/** Messages of configuration are seen by tools; those that name a Java class are not ours. */
function differentMessage(expected: NotedError, error: unknown): string | undefined {
  const message = error instanceof Error ? error.message : String(error)
  return expected.class !== 'ConfigException' || message === expected.message ? undefined : `expected "${expected.message}", got "${message}"`
}

function written(converter: Converter, each: ConverterCase): string | undefined {
  const schema = readSchema(each.schema)
  const bytes = converter.fromConnect('t', schema, readValue(schema, each.value))
  if (each.expect.error !== undefined) return undefined
  if (bytes === null || each.expect.bytes === null) return bytes === each.expect.bytes ? undefined : `expected ${each.expect.text ?? 'null'}, got ${show(bytes)}`
  const [expected, got] = [Buffer.from(each.expect.bytes!, 'base64'), Buffer.from(bytes)]
  if (expected.equals(got)) return undefined
  const texts = [expected.toString('utf8'), got.toString('utf8')] as const
  const same = each.converter === 'JsonConverter' ? sameJson(...texts) : withoutAddresses(texts[0]) === withoutAddresses(texts[1])
  return same ? undefined : `expected ${texts[0]}, got ${texts[1]}`
}

/** Java writes a byte array as `[B@` and a number that changes from run to run. */
function withoutAddresses(text: string): string {
  return text.replaceAll(/\[B@[0-9a-f]+/g, '[B@')
}

/** Member order counts, except in data without schema. */
function sameJson(expected: string, got: string): boolean {
  return JSON.stringify(JSON.parse(expected)) === JSON.stringify(JSON.parse(got)) || sameData(JSON.parse(expected), JSON.parse(got))
}

function read(converter: Converter, each: ConverterCase): string | undefined {
  const bytes = each.text === undefined ? (each.bytes === null ? null : Buffer.from(each.bytes ?? '', 'base64')) : Buffer.from(each.text)
  const { schema, value } = converter.toConnect('t', bytes)
  if (each.expect.error !== undefined) return undefined
  const expectedSchema = readSchema(each.expect.schema)
  if (!sameSchema(schema, expectedSchema)) return `expected schema ${show(expectedSchema)}, got ${show(schema)}`
  const expected = readValue(expectedSchema, each.expect.value)
  return sameData(value, expected) ? undefined : `expected ${show(expected)}, got ${show(value)}`
}
