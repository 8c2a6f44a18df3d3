import { projectValue } from '../../src/connect/index.ts'
import { simpleHeaderConverter } from '../../src/connect/converters/index.ts'
import type { SchemaAndValue } from '../../src/connect/converters/index.ts'
import { parseValue } from '../../src/connect/values/value-parser.ts'
import type { VectorFile } from '../kit/vectors.ts'
import type { CaseResult } from './case-result.ts'
import { beyondDates, hasWidths, isBeyondDates, numberWidth, readSchema, readValue, sameData, sameSchema, show } from './connect-values.ts'
import type { NotedSchema } from './connect-values.ts'

interface Noted {
  readonly schema: NotedSchema | null
  readonly value: unknown
}

interface ValueCase {
  readonly name: string
  readonly parse?: string
  readonly header?: Noted
  readonly headerText?: string
  readonly headerBytes?: string | null
  readonly project?: { readonly source: NotedSchema; readonly value: unknown; readonly target: NotedSchema }
  readonly expect: Noted & { readonly text?: string | null; readonly back?: Noted; readonly error?: unknown }
}

export function runValues(files: readonly VectorFile[]): readonly CaseResult[] {
  return files.flatMap(({ path, content }) => (content as { cases: readonly ValueCase[] }).cases.map((each): CaseResult => {
    const name = `${path} ${each.name}`
    const detail = differenceOf(each)
    if (detail === undefined) return { name, ok: true }
    if (each.header !== undefined && each.header.schema === null && hasWidths(each.header.value)) return { name, ok: false, pending: numberWidth }
    return isBeyondDates(each) ? { name, ok: false, pending: beyondDates } : { name, ok: false, detail }
  }))
}

function differenceOf(each: ValueCase): string | undefined {
  try {
    const difference = each.project !== undefined ? projected(each.project, each.expect) : each.header === undefined ? different(read(each), each.expect) : roundTrip(each.header, each.expect)
    return each.expect.error === undefined ? difference : 'expected an error'
  } catch (error) {
    return each.expect.error === undefined ? String(error) : undefined
  }
}

function projected({ source, value, target }: NonNullable<ValueCase['project']>, expect: ValueCase['expect']): string | undefined {
  const [from, to] = [readSchema(source)!, readSchema(target)!]
  const got = projectValue(from, readValue(from, value), to)
  const expected = readValue(to, expect.value)
  return sameData(got, expected) ? undefined : `expected ${show(expected)}, got ${show(got)}`
}

function read({ parse, headerText, headerBytes }: ValueCase): SchemaAndValue {
  if (parse !== undefined) return parseValue(parse)
  const bytes = headerText === undefined ? (headerBytes === null ? null : Buffer.from(headerBytes ?? '', 'base64')) : Buffer.from(headerText)
  return simpleHeaderConverter().toConnectHeader('t', 'h', bytes)
}

function roundTrip(header: Noted, expect: ValueCase['expect']): string | undefined {
  const schema = readSchema(header.schema)
  const bytes = simpleHeaderConverter().fromConnectHeader('t', 'h', schema, readValue(schema, header.value))
  const text = bytes === null ? null : Buffer.from(bytes).toString('utf8')
  if (expect.text !== undefined && text !== expect.text) return `expected text ${show(expect.text)}, got ${show(text)}`
  return expect.back === undefined ? undefined : different(simpleHeaderConverter().toConnectHeader('t', 'h', bytes), expect.back)
}

function different(got: SchemaAndValue, expected: Noted): string | undefined {
  const schema = readSchema(expected.schema)
  const value = readValue(schema, expected.value)
  return sameSchema(got.schema, schema) && sameData(got.value, value) ? undefined : `expected ${show({ schema, value })}, got ${show(got)}`
}
