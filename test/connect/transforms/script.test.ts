import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Struct } from '../../../src/connect/index.ts'
import type { ConnectRecord, RawConfig } from '../../../src/connect/index.ts'
import { script } from '../../../src/connect/transforms/script.ts'
import { temporaryDirectory } from '../runtime/connect-kit.ts'

const record: ConnectRecord & { readonly sourceOffset: unknown } = { topic: 't', partition: null, keySchema: null, key: 'k', valueSchema: null, value: { country: 'DE', n: 1 }, timestamp: 1, headers: [], sourceOffset: { p: 1 } }

function load(text: string, name = 'script.ts', config: RawConfig = {}) {
  const module = join(temporaryDirectory(), name)
  writeFileSync(module, text)
  return script.create(script.config.parse({ module, ...config }))
}

describe('Script', () => {
  it('runs a function of a TypeScript module over each record, and keeps where the record came from', () => {
    const transform = load("import type { Script } from 'millrace/connect'\nconst script: Script<{ readonly country: string }> = (record) => ({ ...record, topic: `t-${record.value.country}` })\nexport default script\n")
    expect(transform.apply(record)).toEqual({ ...record, topic: 't-DE' })
  })

  it('drops a record for null, and finds other exports, also of JavaScript', () => {
    const transform = load('export const odd = (record) => (record.value.n % 2 === 1 ? null : record)', 'a.mjs', { export: 'odd' })
    expect(transform.apply(record)).toBeNull()
    const even = { ...record, value: { n: 2 } }
    expect(transform.apply(even)).toBe(even)
  })

  it('makes structs of the library that is running', () => {
    const transform = load("import { schema, Struct } from 'millrace/connect'\nconst of = schema.struct({ n: schema.int32() })\nexport default (record) => ({ ...record, valueSchema: of, value: new Struct(of, { n: 5 }) })")
    expect(transform.apply(record)!.value).toBeInstanceOf(Struct)
  })

  it.each([['{}', 'must give a record'], ['undefined', 'does it return?'], ['Promise.resolve(record)', 'must be synchronous'], ['"text"', 'not string']])('refuses %s as result', (result, complaint) => {
    expect(() => load(`export default (record) => (${result})`).apply(record)).toThrow(complaint)
  })

  it('says what is wrong with the module', () => {
    expect(() => load('export const a = 5', 'a.ts', { export: 'a' })).toThrow('exports a number, a function is needed')
    expect(() => load('export const a = 5')).toThrow('exports no such name')
    expect(() => load('const = 5')).toThrow(/script\.ts for configuration module: it cannot be loaded/)
    expect(() => script.create(script.config.parse({ module: './nowhere.ts' }))).toThrow('./nowhere.ts for configuration module')
  })
})
