import { describe, expect, it } from 'vitest'
import { PluginRegistry } from '../../../src/connect/index.ts'
import type { ConnectRecord, RawConfig } from '../../../src/connect/index.ts'
import { createTransformChain } from '../../../src/connect/runtime/transform-chain.ts'

const registry = new PluginRegistry()
const record: ConnectRecord = { topic: 'hits', partition: null, keySchema: null, key: null, valueSchema: null, value: { path: '/', status: 200 }, timestamp: 5, headers: [] }
const apply = (config: RawConfig, to: ConnectRecord = record) => createTransformChain(registry, config)!.apply(to)

describe('a chain of transforms', () => {
  it('is none when none is named', () => {
    expect(createTransformChain(registry, {})).toBeNull()
  })

  it('applies them in order', () => {
    const config = {
      'transforms': 'only, route',
      'transforms.only.type': 'ExtractField$Value', 'transforms.only.field': 'path',
      'transforms.route.type': 'org.apache.kafka.connect.transforms.RegexRouter', 'transforms.route.regex': '(.*)', 'transforms.route.replacement': '$1-paths',
    }
    expect(apply(config)).toMatchObject({ topic: 'hits-paths', value: '/' })
  })

  it('applies one only where its predicate holds, or does not when it is negated', () => {
    const config = {
      'transforms': 'drop', 'transforms.drop.type': 'Filter', 'transforms.drop.predicate': 'empty',
      'predicates': 'empty', 'predicates.empty.type': 'RecordIsTombstone',
    }
    expect(apply(config)).toBe(record)
    expect(apply(config, { ...record, value: null })).toBeNull()
    expect(apply({ ...config, 'transforms.drop.negate': 'true' })).toBeNull()
    expect(apply({ ...config, 'transforms.drop.negate': 'true' }, { ...record, value: null })).not.toBeNull()
  })

  it('names the whole key of everything that is wrong', () => {
    const config = {
      'transforms': 'a,b,c', 'transforms.a.type': 'ExtractField$Value', 'transforms.a.feild': 'x', 'transforms.b.type': 'Nothing', 'transforms.d.type': 'Filter',
      'transforms.c.type': 'Filter', 'transforms.c.predicate': 'p',
    }
    expect(() => createTransformChain(registry, config)).toThrow(new RegExp([
      'Unknown configuration "transforms\\.a\\.feild"; did you mean "field"\\?',
      'Missing required configuration "transforms\\.a\\.field" which has no default value\\.',
      'there is no transform Nothing.*',
      'Invalid value p for configuration transforms\\.c\\.predicate: there is no such predicate.*',
      'Settings for "transforms\\.d" stand in the configuration, but "transforms" does not name it',
    ].join('\\n')))
  })
})
