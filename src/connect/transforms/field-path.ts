import { configError, dataError } from '../errors.ts'
import { fieldOf, Struct } from '../schema.ts'
import type { Field, Schema } from '../schema.ts'
import type { ReadField } from './sides.ts'
import { memberOf } from './sides.ts'

const nested = 'nested field access'

/** The way to a field: one name (V1), or names joined by dots, with backticks around a name that has dots itself (V2, KIP-821). */
export class FieldPath {
  readonly text: string
  readonly #steps: readonly string[]
  readonly #last: string
  readonly #isEmptyPath: boolean

  /** @throws INVALID_CONFIG for backticks that do not match */
  constructor(text: string, syntax: 'V1' | 'V2') {
    this.text = text
    const steps = syntax === 'V1' ? [text] : parsePath(text)
    this.#isEmptyPath = syntax === 'V2' && text === ''
    this.#steps = steps.slice(0, -1)
    this.#last = steps.at(-1)!
  }

  /** @throws INVALID_DATA when a step is no struct */
  fieldIn(schema: Schema): Field | undefined {
    this.#ensureStep()
    let current = schema
    for (const step of this.#steps) {
      const field = fieldOf(current, step)
      if (field === undefined) return undefined
      current = field.schema
    }
    return fieldOf(current, this.#last)
  }

  /** null where a step is. */
  inStruct(struct: Struct, read: ReadField): unknown {
    let current: unknown = struct
    for (const step of this.#steps) {
      if (!(current instanceof Struct)) return null
      current = current.getWithoutDefault(step)
    }
    return current instanceof Struct ? read(current, this.#last) : null
  }

  /** null where a step is. @throws INVALID_DATA when a step is no map */
  inMembers(value: unknown, purpose: string): unknown {
    this.#ensureStep()
    let current = value
    for (const [index, step] of this.#steps.entries()) {
      current = memberOf(current, step, index === 0 ? purpose : nested)
      if (current === null) return null
    }
    return memberOf(current, this.#last, this.#steps.length === 0 ? purpose : nested)
  }

  /** An empty path leads nowhere; an empty name (V1) is a name. */
  #ensureStep(): void {
    if (this.#isEmptyPath) throw dataError('the path of the field is empty')
  }
}

/** A backtick pair hides dots; a backslash before a backtick makes it part of the name. */
function parsePath(text: string): readonly string[] {
  const steps: string[] = []
  let at = 0
  while (at <= text.length) {
    const [step, next] = text[at] === '`' ? quotedStep(text, at) : plainStep(text, at)
    steps.push(step)
    at = next + 1
  }
  return steps
}

function plainStep(text: string, at: number): readonly [string, number] {
  const dot = text.indexOf('.', at)
  const end = dot === -1 ? text.length : dot
  return [text.slice(at, end).replaceAll('\\`', '`'), end]
}

/** It ends at a backtick that a dot or the end follows. */
function quotedStep(text: string, at: number): readonly [string, number] {
  for (let end = text.indexOf('`', at + 1); end !== -1; end = text.indexOf('`', end + 1)) {
    const isEnd = text[end - 1] !== '\\' && (end + 1 === text.length || text[end + 1] === '.')
    if (isEnd) return [text.slice(at + 1, end).replaceAll('\\`', '`'), end + 1]
  }
  throw configError(`Incomplete backtick pair in path: [${text}], consider adding a backslash before backtick at position ${at} to escape it`)
}
