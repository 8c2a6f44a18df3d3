import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { inspectConnector } from '../../../src/connect/index.ts'
import { FedSource, temporaryDirectory } from '../runtime/connect-kit.ts'

const plugins = [new FedSource().plugin]

describe('inspecting a connector', () => {
  it('tells every complaint at once, as a worker would', async () => {
    const { complaints } = await inspectConnector({ name: 'a', config: { 'connector.class': 'FedSource', 'limit': 'x', 'limt': '1', 'tasks.max': '0', 'transforms': 'gone' } }, { plugins })
    expect(complaints).toEqual(expect.arrayContaining([
      'Invalid value x for configuration limit: Not a number of type INT',
      expect.stringContaining('Unknown configuration "limt"; did you mean "limit"?') as unknown,
      expect.stringContaining('configuration tasks.max') as unknown,
      expect.stringContaining('transforms.gone.type') as unknown,
    ]))
  })

  it('complains of a placeholder that the worker would hand on as it is', async () => {
    const { complaints } = await inspectConnector({ name: 'x', config: { 'connector.class': 'VerifiableSource', 'name': 'x', 'topic': '${env:TOPIC}' } })
    expect(complaints.join()).toContain('topic holds ${env:TOPIC}, which nothing fills in')
  })

  it('says that there is no such connector, and nothing else', async () => {
    expect(await inspectConnector({ name: 'a', config: { 'connector.class': 'FetSource' } }, { plugins })).toMatchObject({
      plugin: null, complaints: [expect.stringContaining('did you mean FedSource?') as unknown], options: [],
    })
  })

  it('shows options, converters and transforms as they will be in effect', async () => {
    const inspection = await inspectConnector({
      name: 'a',
      config: {
        'connector.class': 'FedSource', 'value.converter': 'StringConverter', 'limit': '3', 'transforms': 'hide', 'transforms.hide.type': 'MaskField$Value', 'transforms.hide.fields': 'x',
        'transforms.hide.predicate': 'dead', 'transforms.hide.negate': 'true', 'predicates': 'dead', 'predicates.dead.type': 'RecordIsTombstone',
      },
    }, { plugins, worker: { 'key.converter': 'JsonConverter' } })
    expect(inspection.complaints).toEqual([])
    expect(inspection.options).toContainEqual({ name: 'limit', value: '3', isGiven: true, doc: 'Unused.' })
    expect(inspection.options.find(({ name }) => name === 'tasks.max')).toMatchObject({ value: '1', isGiven: false })
    expect(inspection.converters).toEqual([
      { role: 'key', class: 'org.apache.kafka.connect.json.JsonConverter', from: 'worker' },
      { role: 'value', class: 'org.apache.kafka.connect.storage.StringConverter', from: 'connector' },
      { role: 'header', class: 'org.apache.kafka.connect.storage.SimpleHeaderConverter', from: 'default' },
    ])
    expect(inspection.transforms).toEqual([{ alias: 'hide', class: 'org.apache.kafka.connect.transforms.MaskField$Value', when: 'unless dead (RecordIsTombstone)' }])
  })

  it('warns of settings of the worker that a converter of the connector does not inherit', async () => {
    const { hints } = await inspectConnector({ name: 'a', config: { 'connector.class': 'FedSource', 'value.converter': 'JsonConverter' } }, {
      plugins, worker: { 'value.converter': 'JsonConverter', 'value.converter.schemas.enable': 'false' },
    })
    expect(hints).toEqual([expect.stringContaining("the worker's value.converter.schemas.enable=false does not apply to it")])
  })

  it('keeps secrets to itself', async () => {
    const file = join(temporaryDirectory(), 'secrets.properties')
    writeFileSync(file, 'limit=not-a-number\n')
    const inspection = await inspectConnector({ name: 'a', config: { 'connector.class': 'FedSource', 'limit': `\${file:${file}:limit}` } }, { plugins, worker: { 'config.providers': 'file' } })
    expect(JSON.stringify(inspection)).not.toContain('not-a-number')
    expect(inspection.complaints).toEqual([expect.stringContaining('Not a number of type INT')])
  })
})
