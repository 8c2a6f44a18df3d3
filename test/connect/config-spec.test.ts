import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { configSpec, option, Password, unknownKeys } from '../../src/connect/config-spec.ts'
import type { ConfigOf } from '../../src/connect/config-spec.ts'
import type { AnyPlugin, SourcePlugin } from '../../src/connect/connector.ts'

const spec = configSpec({
  'file': option.string({ doc: 'The file.' }),
  'batch.size': option.int({ doc: 'Records.', default: 2000, check: z.number().min(1, 'Value must be at least 1') }),
  'topic': option.string({ doc: 'The topic.', default: null }),
  'mode': option.oneOf(['bulk', 'timestamp'], { doc: 'How.', default: 'bulk' }),
  'names': option.list({ doc: 'Names.', default: [] }),
  'size': option.custom('string', z.string().transform((text) => text.length), { doc: 'Any schema.', default: null }),
  'secret': option.password({ doc: 'A secret.', default: null }),
})

describe('configSpec', () => {
  it('infers the parsed config from the options', () => {
    type Config = ConfigOf<typeof spec>
    expectTypeOf<Config['file']>().toEqualTypeOf<string>()
    expectTypeOf<Config['batch.size']>().toEqualTypeOf<number>()
    expectTypeOf<Config['topic']>().toEqualTypeOf<string | null>()
    expectTypeOf<Config['mode']>().toEqualTypeOf<'bulk' | 'timestamp'>()
    expectTypeOf<Config['size']>().toEqualTypeOf<number | null>()
    expectTypeOf<SourcePlugin<Config>>().toExtend<AnyPlugin>()
  })

  it('reads text as the type of the option and fills in defaults', () => {
    expect(spec.parse({ 'file': ' a.log ', 'batch.size': ' 7 ', 'mode': 'TIMESTAMP', 'names': ' a , b,c ' })).toEqual({
      'file': 'a.log', 'batch.size': 7, 'topic': null, 'mode': 'timestamp', 'names': ['a', 'b', 'c'], 'size': null, 'secret': null,
    })
  })

  it('names every option that is missing or wrong in one error', () => {
    expect(() => spec.parse({ 'batch.size': '1.5' })).toThrow(
      'Missing required configuration "file" which has no default value.\nInvalid value 1.5 for configuration batch.size: Not a number of type INT',
    )
    expect(() => spec.parse({ 'file': 'f', 'batch.size': '0' })).toThrow('Invalid value 0 for configuration batch.size: Value must be at least 1')
    expect(() => spec.parse({ 'file': 'f', 'mode': 'x' })).toThrow('String must be one of (case insensitive): bulk, timestamp')
  })

  it('runs rules over several options only when each by itself is right', () => {
    const ruled = configSpec({ a: option.int({ doc: '', default: 1 }), b: option.int({ doc: '', default: 2 }) }, { rules: ({ a, b }) => (a < b ? {} : { b: 'b must exceed a' }) })
    expect(() => ruled.parse({ a: '3' })).toThrow('b must exceed a')
    expect(() => ruled.parse({ a: 'x', b: '0' })).toThrow(/^Invalid value x for configuration a: Not a number of type INT$/)
    expect(ruled.parse({ b: '5' })).toEqual({ a: 1, b: 5 })
  })

  it('never shows a password', () => {
    const { secret } = spec.parse({ file: 'f', secret: 'hunter2' })
    expect(secret).toBeInstanceOf(Password)
    expect(secret!.reveal()).toBe('hunter2')
    expect(`${secret?.toString()} ${JSON.stringify(spec.check({ file: 'f', secret: 'hunter2' }))}`).not.toContain('hunter2')
  })
})

describe('unknownKeys', () => {
  it('names the nearest key that is known', () => {
    const complaints = unknownKeys({ 'file': 'f', 'batchSize': '1', 'tpoic': 't', 'zzzzzz': '' }, [spec])
    expect([...complaints.values()]).toEqual([
      'Unknown configuration "batchSize"; did you mean "batch.size"?',
      'Unknown configuration "tpoic"; did you mean "topic"?',
      'Unknown configuration "zzzzzz"; known here: file, batch.size, topic, mode, names, size, secret',
    ])
  })

  it('lets through what begins with a known prefix', () => {
    expect(unknownKeys({ 'topic.creation.default.partitions': '3' }, [{ options: {}, prefixes: ['topic.creation.'] }]).size).toBe(0)
  })
})
