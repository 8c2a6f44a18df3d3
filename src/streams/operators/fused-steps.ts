/**
 * Steps that handle one record at a time, made into one function: user functions are called one after the other, a record is made
 * only for those that look at it and for what comes behind the run, and a key is read only where a function takes it.
 * ```
 *   filter(a), mapValues(b), peek(c)   →   if (!a(value)) return; value = b(value); c(value); output.next(record.withValue(value))
 *   flatMapValues(a), selectKey(b)     →   for (const each of a(value)) rest(each), where rest is   key = b(value); output.next(record.with(key, value))
 * ```
 */
import { runTimeCode } from '../../core/index.ts'
import type { Header } from '../../core/index.ts'
import { noRecords, readKey, readRecord, readTogether, recordAtStep } from '../record-head.ts'
import type { HeadRun, RunAhead } from '../record-head.ts'
import type { RowChange, RowRun } from '../row-change.ts'
import { noHeaders, unread } from '../stream-record.ts'
import type { InputBatch, StreamRecord } from '../stream-record.ts'
import type { Output } from './operate.ts'
import { RunSource } from './run-source.ts'

/** What the program gave a node. */
export type UserFunction = (...args: never[]) => unknown

export type PlainStep =
  | { readonly does: 'pass' | 'refuse' | 'newValue' | 'newKey' | 'newPair' | 'manyValues' | 'manyPairs' | 'look'; readonly call: UserFunction }
  | { readonly does: 'passKeyed' | 'passAll' }

/** Where a run sends records on, where it asks whether it is over, and who hears that one of its steps has failed. */
export interface RunEnds {
  readonly output: Output
  readonly subscriber: { readonly closed: boolean }
  readonly fail: (step: number, record: StreamRecord, error: unknown) => void
}

/** The end of a run that takes what was read: an operator that may do its work without a record. */
export interface HeadEnds extends RunEnds {
  readonly take: TakeRead
  /** `take` threw. */
  readonly refuse: (record: StreamRecord, error: unknown) => void
  /** False: `take` does not look at a value that is as it was read. */
  readonly seesValue: boolean
  /** Takes many at a time, where there is no step before it. */
  readonly ahead: RunAhead | null
}

/**
 * Does what an operator does with a record, without one. False: not in this way, and nothing was done. `isKeyRead`, `isValueRead`: they are what was read, and
 * were not changed. They may be `unread`: the value only where the operator has said that it does not look. What stands in the batch is copied before it returns:
 * the memory is used again. @throws what its functions and serdes throw
 */
export type TakeRead = (batch: InputBatch, mark: number, headers: readonly Header[], timestamp: number, key: unknown, isKeyRead: boolean, value: unknown, isValueRead: boolean, offset: number) => boolean

/** As `TakeRead`, of a change from a flushed row. A value that is `unread` is as it stands in the row. */
export type TakeRow = (change: RowChange, mark: unknown, headers: readonly Header[], timestamp: number, key: unknown, isKeyRead: boolean, value: unknown) => boolean

/** As `HeadEnds`, of a run that takes rows. */
export interface RowEnds extends RunEnds {
  readonly take: TakeRow
  readonly refuse: (record: StreamRecord, error: unknown) => void
  readonly seesValue: boolean
  readonly lookAhead: RowRun['lookAhead']
}

/** `node`: the name of the one that the run ends or begins with. null: no code may be made at run time. */
export function fuseSteps(node: string, steps: readonly PlainStep[], { output, subscriber, fail }: RunEnds): Output | null {
  const next = compiled(node, new RunSource(steps, false).text, steps, { subscriber, output, fail, recordAtStep })
  return next === null ? null : { next: next as Output['next'] }
}

/** As `fuseSteps`, from a source to an operator that has `take`: a record is made only for functions that ask for it, and where something fails. */
export function fuseHeadRun(node: string, steps: readonly PlainStep[], { output, subscriber, fail, take, refuse, seesValue, ahead }: HeadEnds): HeadRun | null {
  const source = new RunSource(steps, true)
  const names = { subscriber, output, fail, take, refuse, readRecord, readKey, recordAtStep, unread, noHeaders, noRecords, readTogether }
  const run = compiled(node, source.text, steps, names) as ((...args: Parameters<HeadRun>) => void) | null
  const goThrough = compiled(node, new RunSource(steps, true, true).text, steps, names) as HeadRun['goThrough'] | null
  return run === null || goThrough === null ? null : Object.assign(run, { goThrough, seesValue: source.seesValue || (seesValue && !source.isValueNew), ahead: steps.length === 0 ? ahead : null })
}

/** As `fuseHeadRun`, from a table that sends on flushed rows. */
export function fuseRowRun(node: string, steps: readonly PlainStep[], { output, subscriber, fail, take, refuse, seesValue, lookAhead }: RowEnds): RowRun | null {
  const source = new RunSource(steps, true)
  const run = compiled(node, source.text, steps, { subscriber, output, fail, take, refuse, readRecord: rowRecord, readKey: rowKey, recordAtStep, unread })
  return run === null ? null : Object.assign(run as (...args: Parameters<RowRun>) => void, { seesValue: source.seesValue || (seesValue && !source.isValueNew), lookAhead })
}

function rowRecord(change: RowChange, _offset: unknown, _mark: unknown, key: unknown, value: unknown, timestamp: number): StreamRecord {
  return change.record(key, value === unread ? change.readValue() : value, timestamp)
}

function rowKey(change: RowChange): unknown {
  return change.readKey()
}

/** One for the tasks of all partitions, and for the same program when it is built anew: not for another node, whose functions and values are others. */
function compiled(node: string, source: string, steps: readonly PlainStep[], names: Readonly<Record<string, unknown>>): unknown {
  const calls = steps.map((step) => ('call' in step ? step.call : null))
  // The source holds nothing of the program but numbers: which step it is, and how many arguments it takes.
  const texts = calls.map((call) => (call === null ? '' : Function.prototype.toString.call(call)))
  const make = runTimeCode(source, [...Object.keys(names), ...calls.map((_, index) => `f${index}`)], [node, ...texts].join('\0'))
  return make === null ? null : make(...Object.values(names), ...calls)
}
