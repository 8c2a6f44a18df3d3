/** The outbox pattern: rows of an outbox table become events of their own topics, under Debezium's name and options. */
import { configSpec, option } from '../config-spec.ts'
import type { ConfigOf } from '../config-spec.ts'
import type { ConnectHeader, ConnectRecord } from '../connect-record.ts'
import type { Log, Transform, TransformPlugin } from '../connector.ts'
import { parseSchemaless } from '../converters/json-text.ts'
import { configError, dataError } from '../errors.ts'
import { schema as make, Struct } from '../schema.ts'
import type { Schema } from '../schema.ts'
import { memberOf } from './event-members.ts'
import type { Found } from './event-members.ts'
import { expandReplacement, javaRegex } from './java-regex.ts'
import { regex } from './options.ts'
import { transformVersion } from './sides.ts'

const config = configSpec({
  'table.op.invalid.behavior': option.oneOf(['warn', 'error', 'fatal'], { doc: 'What an update in the outbox table makes it do. warn and error: the event is passed over, and the log says so at that level. fatal: it fails.', default: 'warn' }),
  'table.field.event.id': option.string({ doc: 'Column with the id of the event, which becomes the header "id".', default: 'id' }),
  'table.field.event.key': option.string({ doc: 'Column with the key of the record.', default: 'aggregateid' }),
  'table.field.event.payload': option.string({ doc: 'Column with the value of the record.', default: 'payload' }),
  'table.field.event.timestamp': option.string({ doc: 'Column with the timestamp of the record, in milliseconds; empty: when the change was captured.', default: null }),
  'table.fields.additional.placement': option.list({ doc: 'Further columns, as column:placement or column:placement:alias; placement is header, envelope or partition.', default: [] }),
  'table.fields.additional.error.on.missing': option.boolean({ doc: 'Whether a further column that is missing is an error.', default: true }),
  'table.expand.json.payload': option.boolean({ doc: 'Read a payload that is JSON text, and give it as data without schema.', default: false }),
  'route.by.field': option.string({ doc: 'Column that decides the topic.', default: 'aggregatetype' }),
  'route.topic.regex': option.string({ doc: 'Regular expression over what stands in that column.', default: '(?<routedByValue>.*)', rule: regex }),
  'route.topic.replacement': option.string({ doc: 'The topic; ${routedByValue} and $1 are groups of the expression.', default: 'outbox.event.${routedByValue}' }),
  'route.tombstone.on.empty.payload': option.boolean({ doc: 'Whether an empty payload becomes a tombstone.', default: false }),
}, {
  rules: (settings) => {
    const wrong = settings['table.fields.additional.placement'].find((text) => placementOf(text) === undefined)
    return wrong === undefined ? {} : { 'table.fields.additional.placement': `Invalid value ${wrong} for configuration table.fields.additional.placement: must be column:placement or column:placement:alias, where placement is header, envelope or partition` }
  },
})
type Settings = ConfigOf<typeof config>

interface Placement {
  readonly column: string
  readonly where: 'header' | 'envelope' | 'partition'
  readonly alias: string
}

export const eventRouter: TransformPlugin = {
  type: 'transformation', class: 'io.debezium.transforms.outbox.EventRouter', version: transformVersion, config,
  create: (parsed, log) => routerOf(parsed as Settings, log),
}

function placementOf(text: string): Placement | undefined {
  const [column = '', where, alias = column] = text.split(':').map((part) => part.trim())
  return column !== '' && (where === 'header' || where === 'envelope' || where === 'partition') ? { column, where, alias } : undefined
}

function routerOf(settings: Settings, log: Log | undefined): Transform {
  const expression = javaRegex(settings['route.topic.regex'])
  if (typeof expression === 'string') throw configError(`Invalid value ${settings['route.topic.regex']} for configuration route.topic.regex: ${expression}`)
  const placements = settings['table.fields.additional.placement'].map((text) => placementOf(text)!)
  const router = { settings, expression, placements, log }
  return { apply: (record) => routed(record, router) }
}

interface Router {
  readonly settings: Settings
  readonly expression: RegExp
  readonly placements: readonly Placement[]
  readonly log: Log | undefined
}

function routed<R extends ConnectRecord>(record: R, router: Router): R | null {
  const { settings, expression, placements } = router
  const event: Found = { schema: record.valueSchema, value: record.value }
  // the tombstone behind a delete of the outbox table says nothing
  if ((record.value ?? null) === null) return null
  const op = memberOf(event, 'op')?.value
  const row = memberOf(event, 'after')
  // what is no change event of a row, such as a heartbeat, goes on as it is
  if (typeof op !== 'string' || row === undefined) return record
  if (op !== 'c' && op !== 'r') return passedOver(op, row, router)
  const columns = new Columns(row)
  const payload = payloadOf(columns, settings)
  const topic = topicOf(columns.text(settings['route.by.field']), settings, expression)
  const key = columns.find(settings['table.field.event.key']) ?? { schema: record.keySchema, value: record.key }
  const placed = placements.map((placement) => ({ ...placement, found: found(columns, placement.column, settings) }))
  const partition = placed.find(({ where }) => where === 'partition')?.found
  const timestampColumn = settings['table.field.event.timestamp'] ?? ''
  const timestamp = (timestampColumn === '' ? memberOf(event, 'ts_ms') : columns.get(timestampColumn))?.value
  return {
    ...record, topic, keySchema: key.schema, key: key.value, ...valueOf(payload, placed.filter(({ where }) => where === 'envelope'), settings),
    partition: partition === undefined ? record.partition : Number(partition.value),
    timestamp: timestamp === undefined || timestamp === null ? record.timestamp : millisOf(timestamp),
    headers: [...record.headers, headerOf('id', columns.get(settings['table.field.event.id'])), ...placed.filter(({ where, found: at }) => where === 'header' && at !== undefined).map(({ alias, found: at }) => headerOf(alias, at!))],
  }
}

/** Events are cleared away by deletes; that one was changed is a mistake of whoever wrote it. */
function passedOver(op: string, row: Found, { settings, log }: Router): null {
  if (op === 'd') return null
  const level = settings['table.op.invalid.behavior']
  const mistake = `the outbox table must only be inserted into and deleted from, but a row was changed (op "${op}")`
  if (level === 'fatal') throw dataError(`${mistake}; table.op.invalid.behavior=fatal`)
  const id = memberOf(row, settings['table.field.event.id'])?.value
  log?.[level](`EventRouter: ${mistake}; the event${typeof id === 'string' || typeof id === 'number' || typeof id === 'bigint' ? ` with id ${id}` : ''} is passed over`)
  return null
}

/** The row that was inserted. */
class Columns {
  readonly #row: Found
  constructor(row: Found) {
    this.#row = row
  }

  find(name: string): Found | undefined {
    return memberOf(this.#row, name)
  }

  get(name: string): Found {
    const at = this.find(name)
    if (at === undefined) throw dataError(`Unable to find field ${name} in event`)
    return at
  }

  text(name: string): string {
    const { value } = this.get(name)
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return String(value)
    throw dataError(`the column ${name} of the outbox table holds no text, so there is no topic for the event`)
  }
}

function found(columns: Columns, name: string, settings: Settings): Found | undefined {
  return settings['table.fields.additional.error.on.missing'] ? columns.get(name) : columns.find(name)
}

function topicOf(text: string, settings: Settings, expression: RegExp): string {
  const whole = new RegExp(`^(?:${expression.source})$`, expression.flags).exec(text)
  if (whole === null) return text
  try {
    return expandReplacement(whole, settings['route.topic.replacement'])
  } catch (cause) {
    throw dataError(`the replacement "${settings['route.topic.replacement']}" cannot be filled in for "${text}"`, { cause })
  }
}

function payloadOf(columns: Columns, settings: Settings): Found {
  const payload = columns.get(settings['table.field.event.payload'])
  if (!settings['table.expand.json.payload'] || typeof payload.value !== 'string' || !/^\s*[[{]/.test(payload.value)) return payload
  try {
    return { schema: null, value: parseSchemaless(payload.value) }
  } catch {
    // text that only looks like JSON stays text
    return payload
  }
}

/** With columns in the envelope the value is a struct of these and the payload; else it is the payload. */
function valueOf(payload: Found, placed: readonly (Placement & { readonly found: Found | undefined })[], settings: Settings): { readonly valueSchema: Schema | null; readonly value: unknown } {
  const isEmpty = payload.value === null || payload.value === ''
  if (isEmpty && settings['route.tombstone.on.empty.payload']) return { valueSchema: null, value: null }
  if (placed.length === 0) return { valueSchema: payload.schema, value: payload.value }
  const members = [{ alias: 'payload', found: payload }, ...placed].flatMap(({ alias, found: at }) => (at === undefined ? [] : [{ alias, at }]))
  if (members.some(({ at }) => at.schema === null)) return { valueSchema: null, value: Object.fromEntries(members.map(({ alias, at }) => [alias, at.value])) }
  const schema = make.struct(members.map(({ alias, at }) => [alias, at.schema!] as const))
  return { valueSchema: schema, value: new Struct(schema, Object.fromEntries(members.map(({ alias, at }) => [alias, at.value]))) }
}

function headerOf(key: string, { schema, value }: Found): ConnectHeader {
  return { key, schema, value }
}

function millisOf(value: unknown): number {
  const millis = value instanceof Date ? value.getTime() : Number(value)
  if (!Number.isFinite(millis)) throw dataError('the timestamp column of the outbox table holds no milliseconds')
  return millis
}
