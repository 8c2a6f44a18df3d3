import { dataError, schema as schemas } from 'millrace/connect'
import type { SinkRecord } from 'millrace/connect'
import { changeOf, isPlaceholder } from './change-value.ts'
import { chosenFields, fieldsOf, fieldsOfCells, NameLists, noFields } from './fields.ts'
import type { Cell, Fields } from './fields.ts'

/** What one record asks of its table. */
export interface Row {
  readonly record: SinkRecord
  /** Values of the columns of the primary key. */
  readonly key: Fields
  /** Values of the other columns; null: delete the row. */
  readonly values: Fields | null
  /** All rows go. */
  readonly truncates: boolean
}

export interface RowOptions {
  readonly pkMode: 'none' | 'kafka' | 'record_key' | 'record_value' | 'record_header'
  readonly pkFields: readonly string[]
  readonly deleteEnabled: boolean
  readonly truncateEnabled: boolean
  /** Stands for a value that did not change and is not known. */
  readonly placeholder: string
  /** The column of a value that has no fields. */
  readonly valueColumn: string
}

const coordinates = ['__connect_topic', '__connect_partition', '__connect_offset']
const coordinateSchemas = [schemas.string(), schemas.int32(), schemas.int64()]

/** The columns of the primary key that do not depend on the record; none where its key decides. */
export function keyColumnsOf({ pkMode, pkFields }: RowOptions): readonly string[] {
  if (pkMode === 'none') return []
  return pkMode === 'kafka' && pkFields.length === 0 ? coordinates : pkFields
}

/** Makes rows of records. */
export class RowReader {
  readonly #options: RowOptions
  readonly #placeholderBase64: string
  readonly #valueColumns: readonly string[]
  readonly #coordinates: readonly string[]
  readonly #keyLists = new NameLists()
  readonly #valueLists = new NameLists()
  readonly #restLists = new NameLists()
  /** Of the last value and key: where the values are that do not belong to the key; null: none does. */
  #rest: { readonly of: readonly string[]; readonly key: readonly string[]; readonly names: readonly string[]; readonly places: readonly number[] | null } = { of: [], key: [], names: [], places: null }

  constructor(options: RowOptions) {
    this.#options = options
    this.#placeholderBase64 = Buffer.from(options.placeholder).toString('base64')
    this.#valueColumns = [options.valueColumn]
    this.#coordinates = keyColumnsOf({ ...options, pkMode: 'kafka' })
  }

  /** Undefined for a record that asks nothing of a table. @throws a data error that says what about the record does not fit */
  rowOf(record: SinkRecord): Row | undefined {
    const change = changeOf(record.value)
    if (change === undefined) return record.value === null || record.value === undefined ? this.#deletion(record) : this.#writing(record, this.#fieldsOfValue(record, record.value))
    if (change.effect === 'write') return this.#writing(record, this.#known(this.#fieldsOfValue(record, change.row)))
    if (change.effect === 'delete') return this.#deletion(record)
    return change.effect === 'truncate' && this.#options.truncateEnabled ? { record, key: noFields, values: null, truncates: true } : undefined
  }

  #fieldsOfValue({ valueSchema }: SinkRecord, value: unknown): Fields {
    return fieldsOf(value, valueSchema, this.#valueLists) ?? { names: this.#valueColumns, values: [value], schemas: [valueSchema], isDatabaseText: false }
  }

  #writing(record: SinkRecord, fields: Fields): Row {
    const key = this.#keyOf(record, fields)
    return { record, key, values: key.names.length === 0 ? fields : this.#without(fields, key), truncates: false }
  }

  #without(fields: Fields, key: Fields): Fields {
    let rest = this.#rest
    if (rest.of !== fields.names || rest.key !== key.names) {
      const places = [...fields.names.keys()].filter((place) => !key.names.includes(fields.names[place]!))
      const names = this.#restLists.of(places.map((place) => fields.names[place]!))
      rest = this.#rest = { of: fields.names, key: key.names, names, places: places.length === fields.names.length ? null : places }
    }
    return rest.places === null ? fields : chosenFields(fields, rest.names, rest.places)
  }

  /** Without the fields whose place a placeholder holds. */
  #known(fields: Fields): Fields {
    const { placeholder } = this.#options
    const isKnown = (value: unknown) => !isPlaceholder(value, placeholder, this.#placeholderBase64)
    const { names, values, schemas: own } = fields
    if (values.every(isKnown)) return { names, values, schemas: own, isDatabaseText: true }
    const places = [...names.keys()].filter((place) => isKnown(values[place]))
    return { ...chosenFields(fields, this.#valueLists.of(places.map((place) => names[place]!)), places), isDatabaseText: true }
  }

  #deletion(record: SinkRecord): Row {
    if (!this.#options.deleteEnabled) throw dataError('the record deletes its row; set delete.enabled=true to let it')
    return { record, key: this.#keyOf(record, noFields), values: null, truncates: false }
  }

  #keyOf(record: SinkRecord, fields: Fields): Fields {
    const { pkMode, pkFields } = this.#options
    if (pkMode === 'none') return noFields
    if (pkMode === 'kafka') return { names: this.#coordinates, values: [record.originalTopic, record.originalPartition, record.originalOffset], schemas: coordinateSchemas, isDatabaseText: false }
    if (pkMode === 'record_header') return picked(headersOf(record), pkFields, 'header')
    if (pkMode === 'record_value') return picked(fields, pkFields, 'value')
    if (record.key === null || record.key === undefined) throw dataError('the key is null, and pk.mode=record_key makes the primary key of it')
    const members = fieldsOf(record.key, record.keySchema, this.#keyLists)
    if (members !== undefined) return picked(members, pkFields, 'key')
    if (pkFields.length !== 1) throw dataError(`the key is a single value, so pk.fields must name one column, not ${pkFields.length}`)
    return { names: pkFields, values: [record.key], schemas: [record.keySchema], isDatabaseText: false }
  }
}

/** The last one of each name. */
function headersOf({ headers }: SinkRecord): Fields {
  return fieldsOfCells(new Map(headers.map(({ key, value, schema }): [string, Cell] => [key, { value, schema }])))
}

function picked(fields: Fields, names: readonly string[], part: 'key' | 'value' | 'header'): Fields {
  if (names.length === 0) return fields
  const places = names.map((name) => {
    const place = fields.names.indexOf(name)
    if (place === -1 || fields.values[place] === null) throw dataError(part === 'header' ? `there is no header "${name}", which pk.fields names` : `the ${part} has no field "${name}", which pk.fields names`)
    return place
  })
  return chosenFields(fields, names, places)
}
