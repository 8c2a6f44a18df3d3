/**
 * Steps that handle one record at a time and send on one at most, made into one function: user functions are called one after the other, a record is made
 * only for those that look at it and for what comes behind the run, and a key is read only where a function takes it.
 * ```
 *   filter(a), mapValues(b), peek(c)   →   if (!a(value)) return; value = b(value); c(value); output.next(record.withValue(value))
 * ```
 */
import { runTimeCode } from '../../core/index.ts'
import type { Header } from '../../core/index.ts'
import { readKey, readRecord } from '../record-head.ts'
import type { HeadRun } from '../record-head.ts'
import { unread } from '../stream-record.ts'
import type { InputBatch, StreamRecord } from '../stream-record.ts'
import type { Output } from './operate.ts'

/** What the program gave a node. */
export type UserFunction = (...args: never[]) => unknown

export type PlainStep =
  | { readonly does: 'pass' | 'refuse' | 'newValue' | 'newKey' | 'newPair' | 'look'; readonly call: UserFunction }
  | { readonly does: 'passKeyed' }

/** Where a run sends records on, where it asks whether it is over, and who hears that one of its steps has failed. */
export interface RunEnds {
  readonly output: Output
  readonly subscriber: { readonly closed: boolean }
  readonly fail: (step: number, record: StreamRecord, error: unknown) => void
}

/** The end of a run that takes what was read: a sink, which may write it without a record. */
export interface WriteEnds extends RunEnds {
  readonly write: WriteRead
  /** `write` threw. */
  readonly refuse: (record: StreamRecord, error: unknown) => void
}

/** False: not in this way, and nothing was written. `isKeyRead`, `isValueRead`: they are what was read, and were not changed. @throws what the serdes throw */
export type WriteRead = (batch: InputBatch, mark: number, headers: readonly Header[], timestamp: number, key: unknown, isKeyRead: boolean, value: unknown, isValueRead: boolean) => boolean

/** Made once for a node that runs begin with: tasks of many partitions, and those that begin again, share it. */
type Makers = WeakMap<object, { readonly source: string; readonly make: (...args: readonly unknown[]) => unknown }>

const recordRuns: Makers = new WeakMap()
const headRuns: Makers = new WeakMap()

/** `owner`: what the code is kept for. null: no code may be made at run time. */
export function fuseSteps(owner: object, steps: readonly PlainStep[], { output, subscriber, fail }: RunEnds): Output | null {
  const next = compiled(recordRuns, owner, new RunSource(false).of(steps), steps, { subscriber, output, fail })
  return next === null ? null : { next: next as Output['next'] }
}

/** As `fuseSteps`, from a source to a sink: a record is made only for functions that ask for it, and where something fails. */
export function fuseHeadRun(owner: object, steps: readonly PlainStep[], { output, subscriber, fail, write, refuse }: WriteEnds): HeadRun | null {
  return compiled(headRuns, owner, new RunSource(true).of(steps), steps, { subscriber, output, fail, write, refuse, readRecord, readKey, unread }) as HeadRun | null
}

function compiled(makers: Makers, owner: object, source: string, steps: readonly PlainStep[], names: Readonly<Record<string, unknown>>): unknown {
  let known = makers.get(owner)
  if (known?.source !== source) {
    // The source holds nothing of the program but numbers: which step it is, and how many arguments it takes.
    const make = runTimeCode(source, [...Object.keys(names), ...steps.map((_, index) => `f${index}`)])
    if (make === null) return null
    known = { source, make }
    makers.set(owner, known)
  }
  return known.make(...Object.values(names), ...steps.map((step) => ('call' in step ? step.call : null)))
}

/** Writes the source of a run. */
class RunSource {
  readonly #isOfHead: boolean
  /** The record as it came. */
  readonly #read: string
  readonly #lines: string[] = []
  #hasKey = false
  #isKeyNew = false
  #isValueNew = false
  /** `current` is the record at this step. */
  #isMade = false

  constructor(isOfHead: boolean) {
    this.#isOfHead = isOfHead
    this.#read = isOfHead ? '(record ??= readRecord(batch, offset, mark, held, first, timestamp, headers))' : 'record'
  }

  of(steps: readonly PlainStep[]): string {
    for (const [index, step] of steps.entries()) {
      this.#lines.push(`step = ${index}`)
      this.#add(index, step)
    }
    const work = `try {
    ${this.#lines.join('\n    ')}
  } catch (error) {
    fail(step, isKeyNew ? ${this.#read}.with(key, value) : ${this.#read}.withValue(value), error)
    return
  }`
    const last = this.#isMade ? 'current' : this.#made()
    return this.#isOfHead
      ? `return (first, held, timestamp, headers, batch, offset, mark) => {
  if (subscriber.closed) return
  let value = first, record = null, current, key, step = 0, isKeyNew = false
  ${work}
  try {
    if (write(batch, mark, headers, timestamp, ${this.#isKeyNew ? 'key, false' : 'held, true'}, value, ${String(!this.#isValueNew)})) return
  } catch (error) {
    refuse(${last}, error)
    return
  }
  output.next(${last})
}`
      : `return (record) => {
  if (subscriber.closed) return
  let { value } = record
  let current, key, step = 0, isKeyNew = false
  ${work}
  output.next(${last})
}`
  }

  #add(index: number, step: PlainStep): void {
    if (step.does === 'passKeyed') {
      this.#needKey()
      this.#lines.push('if (key === null) return')
      return
    }
    const call = this.#call(index, step.call)
    if (step.does === 'look') this.#lines.push(call)
    else if (step.does === 'pass') this.#lines.push(`if (!${call}) return`)
    else if (step.does === 'refuse') this.#lines.push(`if (${call}) return`)
    else this.#change(step.does, call)
  }

  #change(does: 'newValue' | 'newKey' | 'newPair', call: string): void {
    this.#isMade = false
    if (does !== 'newKey') this.#isValueNew = true
    if (does === 'newValue') {
      this.#lines.push(`value = ${call}`)
      return
    }
    this.#hasKey = this.#isKeyNew = true
    this.#lines.push(does === 'newKey' ? `key = ${call}` : `{ const [k, v] = ${call}; key = k; value = v }`, 'isKeyNew = true')
  }

  /** With the arguments that the function can look at. */
  #call(index: number, call: UserFunction): string {
    const seen = argumentsSeen(call)
    if (seen > 1) this.#needKey()
    if (seen > 2) this.#needRecord()
    return `f${index}(${['value', 'key', 'current'].slice(0, seen).join(', ')})`
  }

  #needKey(): void {
    if (!this.#hasKey) this.#lines.push(this.#isOfHead ? 'key = held === unread ? held = readKey(batch, mark) : held' : 'key = record.key')
    this.#hasKey = true
  }

  #needRecord(): void {
    if (!this.#isMade) this.#lines.push(`current = ${this.#made()}`)
    this.#isMade = true
  }

  #made(): string {
    if (this.#isKeyNew) return `${this.#read}.with(key, value)`
    return this.#isValueNew ? `${this.#read}.withValue(value)` : this.#read
  }
}

const allArguments = 3
/** An arrow function whose parameters are names or patterns, without defaults and rests: it sees so many arguments, and no `arguments`. */
const plainArrow = /^(?:async\b\s*)?(?:(?<one>[\w$]+)|\((?<several>[^()=./'"`]*)\))\s*=>/u
const innermostPattern = /\{[^{}]*\}|\[[^[\]]*\]/gu

/** How many of its arguments a function can look at, as far as its text says. */
export function argumentsSeen(call: UserFunction): number {
  const { one, several } = plainArrow.exec(Function.prototype.toString.call(call))?.groups ?? {}
  if (several === undefined) return one === undefined ? allArguments : 1
  let names = several
  for (let outer = names; (outer = names.replaceAll(innermostPattern, 'pattern')) !== names;) names = outer
  return Math.min(allArguments, names.split(',').filter((name) => name.trim() !== '').length)
}
