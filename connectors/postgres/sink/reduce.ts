import { cellText } from './cell-text.ts'
import { fieldsOfCells, namedCells } from './fields.ts'
import type { Fields } from './fields.ts'
import type { Row } from './row.ts'

/** What is left to do for one key after a run of records. */
export interface Change {
  readonly key: Fields
  /** Delete the row before the values are written, or altogether. */
  readonly deleted: boolean
  readonly values: Fields | null
}

/**
 * One change a key: what the records of a run come to, in order. A statement must not meet a key twice, and a delete followed
 * by an insert must not end deleted. Keys in the result are in the order in which they were met first.
 */
export function reduceRows(rows: readonly Row[]): Change[] {
  const changes = new Map<string | number, Change>()
  for (const { key, values } of rows) {
    const id = keyOf(key)
    const before = changes.get(id)
    if (values === null) changes.set(id, { key, deleted: true, values: null })
    else if (before === undefined) changes.set(id, { key, deleted: false, values })
    else changes.set(id, { key, deleted: before.deleted, values: merged(before.values, values) })
  }
  return [...changes.values()]
}

/** Fields that the later record lacks keep what the earlier one said, as they would in two statements. */
function merged(before: Fields | null, values: Fields): Fields {
  if (before === null || before.names === values.names || before.names.every((name) => values.names.includes(name))) return values
  return { ...fieldsOfCells(new Map([...namedCells(before), ...namedCells(values)])), isDatabaseText: values.isDatabaseText }
}

/** Each writes another key, so that there is nothing to reduce. */
export function areDistinct(rows: readonly Row[]): boolean {
  const keys = new Set<string | number>()
  for (const { key, values } of rows) {
    if (values === null) return false
    keys.add(keyOf(key))
  }
  return keys.size === rows.length
}

/** Keys that the database takes for the same are the same here: the number 1 and the text "1". */
export function keyOf({ values }: Fields): string | number {
  if (values.length === 1) {
    const [value] = values
    if (typeof value === 'number') return value
    const text = String(cellText(value, 'other'))
    return String(Number(text)) === text ? Number(text) : text
  }
  let text = ''
  for (const value of values) text += `${cellText(value, 'other')}\0`
  return text
}
