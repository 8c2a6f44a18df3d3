/**
 * Steps that handle one record at a time and send on one at most, made into one function: user functions are called one after the other, a record is made
 * only for those that look at it and for what comes behind the run, and a key is read only where a function takes it.
 * ```
 *   filter(a), mapValues(b), peek(c)   →   if (!a(value)) return; value = b(value); c(value); output.next(record.withValue(value))
 * ```
 */
import { runTimeCode } from '../../core/index.ts'
import type { StreamRecord } from '../stream-record.ts'
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

type RunMaker = (subscriber: RunEnds['subscriber'], output: Output, fail: RunEnds['fail'], ...calls: readonly unknown[]) => Output['next']

/** Made once for a node that runs begin with: tasks of many partitions, and those that begin again, share it. */
const makers = new WeakMap<object, { readonly source: string; readonly make: RunMaker }>()

/** `owner`: what the code is kept for. null: no code may be made at run time. */
export function fuseSteps(owner: object, steps: readonly PlainStep[], { output, subscriber, fail }: RunEnds): Output | null {
  const calls = steps.map((step) => ('call' in step ? step.call : null))
  const source = sourceOf(steps)
  let known = makers.get(owner)
  if (known?.source !== source) {
    // The source holds nothing of the program but numbers: which step it is, and how many arguments it takes.
    const make = runTimeCode(source, ['subscriber', 'output', 'fail', ...calls.map((_, index) => `f${index}`)])
    if (make === null) return null
    known = { source, make: make as RunMaker }
    makers.set(owner, known)
  }
  return { next: known.make(subscriber, output, fail, ...calls) }
}

function sourceOf(steps: readonly PlainStep[]): string {
  const lines: string[] = []
  const state = { hasKey: false, isKeyNew: false, isMade: true }
  const made = () => (state.isKeyNew ? 'record.with(key, value)' : 'record.withValue(value)')
  const record = () => {
    if (!state.isMade) lines.push(`current = ${made()}`)
    state.isMade = true
  }
  const key = () => {
    if (!state.hasKey) lines.push('key = record.key')
    state.hasKey = true
  }
  const called = (index: number, call: UserFunction) => {
    const seen = argumentsSeen(call)
    if (seen > 1) key()
    if (seen > 2) record()
    return `f${index}(${['value', 'key', 'current'].slice(0, seen).join(', ')})`
  }
  for (const [index, step] of steps.entries()) {
    lines.push(`step = ${index}`)
    if (step.does === 'passKeyed') {
      key()
      lines.push('if (key === null) return')
      continue
    }
    const call = called(index, step.call)
    if (step.does === 'pass') lines.push(`if (!${call}) return`)
    else if (step.does === 'refuse') lines.push(`if (${call}) return`)
    else if (step.does === 'look') lines.push(call)
    else {
      lines.push(step.does === 'newValue' ? `value = ${call}` : step.does === 'newKey' ? `key = ${call}` : `{ const [k, v] = ${call}; key = k; value = v }`)
      state.isMade = false
      if (step.does !== 'newValue') state.hasKey = state.isKeyNew = true
      if (step.does !== 'newValue') lines.push('isKeyNew = true')
    }
  }
  const last = state.isMade ? 'current' : made()
  return `return (record) => {
  if (subscriber.closed) return
  let { value } = record
  let key, current = record, step = 0, isKeyNew = false
  try {
    ${lines.join('\n    ')}
  } catch (error) {
    fail(step, isKeyNew ? record.with(key, value) : record.withValue(value), error)
    return
  }
  output.next(${last})
}`
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
