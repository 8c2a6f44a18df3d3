import { Ajv } from 'ajv'
import { beforeAll, describe, expect, it } from 'vitest'
import { connectorFileSchema, PluginRegistry } from '../../../src/connect/index.ts'

let check: (file: unknown) => readonly string[]

beforeAll(async () => {
  const validate = new Ajv({ allErrors: true, strict: false }).compile(await connectorFileSchema(new PluginRegistry()))
  check = (file) => (validate(file) ? [] : (validate.errors ?? []).map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`))
})

const flat = { 'name': 'a', 'connector.class': 'FileSource', 'path': '/var/log/a', 'topic': 't' }

describe('the JSON Schema of connector files', () => {
  it('takes both forms, numbers and booleans as such and as text, and placeholders', () => {
    expect(check(flat)).toEqual([])
    expect(check({ '$schema': './connectors.schema.json', ...flat, 'tasks.max': 2 })).toEqual([])
    expect(check({ ...flat, 'tasks.max': '2', 'watch': 'false' })).toEqual([])
    expect(check({ ...flat, 'tasks.max': '${env:TASKS}', 'watch': false })).toEqual([])
    expect(check({ name: 'a', config: { ...flat, 'transforms': 'x', 'transforms.x.type': 'Filter', 'value.converter': 'JsonConverter', 'value.converter.schemas.enable': false } })).toEqual([])
  })

  it('marks a key that nobody knows, in either form', () => {
    expect(check({ ...flat, pth: 'x' })).toContainEqual(expect.stringContaining('"additionalProperty":"pth"'))
    expect(check({ name: 'a', config: { ...flat, pth: 'x' } })).toContainEqual(expect.stringMatching(/^\/config .*"additionalProperty":"pth"/))
    expect(check({ name: 'a', config: flat, path: 'x' })).toContainEqual(expect.stringContaining('"additionalProperty":"path"'))
  })

  it('marks what is missing and what is no number', () => {
    expect(check({ 'name': 'a', 'connector.class': 'FileSource' })).toContainEqual(expect.stringContaining('"missingProperty":"topic"'))
    expect(check({ name: 'a' })).toContainEqual(expect.stringContaining('"missingProperty":"connector.class"'))
    expect(check({ ...flat, 'tasks.max': 'many' })).toContainEqual(expect.stringContaining('/tasks.max'))
    expect(check({ ...flat, 'tasks.max': 0 })).toContainEqual(expect.stringContaining('"limit":1'))
  })

  it('knows every connector by each of its names', async () => {
    const registry = new PluginRegistry()
    for (const { plugin } of await registry.connectors()) {
      for (const name of [plugin.class, ...(plugin.aliases ?? [])]) expect(check({ 'name': 'a', 'connector.class': name, 'no.such.key': 1 })).toContainEqual(expect.stringContaining('no.such.key'))
    }
  })
})
