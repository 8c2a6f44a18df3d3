import { describe, expect, it } from 'vitest'
import { parseConnectorFile, parseWorkerFile } from '../../../src/connect/runtime/config-file.ts'

describe('parseConnectorFile', () => {
  const expected = { name: 'n', config: { 'connector.class': 'FileSource', 'tasks.max': '1', 'flag': 'true' } }

  it('reads a name with its config', () => {
    expect(parseConnectorFile('c.json', '{"name":"n","config":{"connector.class":"FileSource","tasks.max":1,"flag":true}}')).toEqual(expected)
  })

  it('reads a flat object with the name inside', () => {
    expect(parseConnectorFile('c.json', '{"$schema":"x","name":"n","connector.class":"FileSource","tasks.max":"1","flag":"true"}'))
      .toEqual({ name: 'n', config: { name: 'n', ...expected.config } })
  })

  it('reads properties', () => {
    expect(parseConnectorFile('c.properties', 'name=n\nconnector.class=FileSource\ntasks.max: 1\nflag true\n')).toEqual({ name: 'n', config: { name: 'n', ...expected.config } })
  })

  it.each([
    ['{', /^c\.json: this is not JSON/],
    ['[]', /^c\.json: a JSON object is needed/],
    ['{"config":{}}', /^c\.json: "name" is missing/],
    ['{"name":"n","config":{},"tasks.max":1}', /^c\.json: "tasks\.max" stands beside "config"/],
    ['{"name":"n","topics":["a"]}', /^c\.json: the value of "topics" must be text.*a,b,c/],
  ])('refuses %s and says why', (text, complaint) => {
    expect(() => parseConnectorFile('c.json', text)).toThrow(complaint)
  })
})

describe('parseWorkerFile', () => {
  it('reads flat JSON and properties alike', () => {
    expect(parseWorkerFile('w.json', '{"offset.flush.interval.ms":5}')).toEqual(parseWorkerFile('w.properties', 'offset.flush.interval.ms=5'))
  })
})
