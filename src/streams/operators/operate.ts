import type { OperatorFunction } from 'rxjs'
import { Observable, Subscriber } from '../rx.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { TopologyNode } from '../topology/node.ts'
import type { HeadRun, RunAhead } from '../record-head.ts'
import type { RowRun } from '../row-change.ts'
import { fuseHeadRun, fuseRowRun, fuseSteps } from './fused-steps.ts'
import type { PlainStep, TakeRead, TakeRow } from './fused-steps.ts'
import type { OperatorContext } from './operator-context.ts'

/** `steps`: the operator handles one record after the other, so that it can be made one with its neighbours. */
export interface NodeOperator extends OperatorFunction<StreamRecord, StreamRecord> {
  readonly steps?: readonly Step[]
}

/** Thrown by an operator when a policy has decided that a failure ends the pipeline: no other policy is asked. */
export class Refusal extends Error {
  readonly failure: Error

  constructor(failure: Error) {
    super(failure.message)
    this.failure = failure
  }
}

/** Where an operator sends records on. Also usable between two inputs: from a punctuator, or when a cache is flushed. */
export interface Output {
  next(record: StreamRecord): void
  /** As `next`, of a change from a flushed row that no record was made of yet; absent or null: it must be made. Asked for when all is connected. */
  readonly rows?: RowRun | null
  /** How what comes next handles what was read, where it can do without a record. */
  readonly head?: HeadHandler | null
  /** `head.take` threw what it was to do with `record`. Present where `head` is. */
  refuse?(record: StreamRecord, error: unknown): void
}

interface Step {
  readonly node: TopologyNode
  readonly context: OperatorContext
  readonly start: (output: Output) => RecordHandler
  /** What `start` comes to, for steps that do nothing but call a function and send on what it gives; null for others. */
  readonly plain: PlainStep | null
  /** As `plain`, for what it does with changes that are not records yet, and have no old values. */
  readonly plainForRows: PlainStep | null
}

/** What an operator does with a record. */
export interface RecordHandler {
  (record: StreamRecord): void
  /** For operators that can do without a record: runs from a source may end with them. */
  readonly head?: HeadHandler
  /** As `head`, for runs from a table that sends on flushed rows. */
  readonly rows?: RowHandler
}

export interface HeadHandler {
  readonly take: TakeRead
  /** False: `take` does not look at a value that is as it was read. */
  readonly seesValue: boolean
  /** Does what `take` does with many at a time. */
  readonly ahead?: RunAhead | null
  /** `take` threw: gives the failure that ends the pipeline, or null to go on. Absent: as where the handler throws. */
  readonly refuse?: (record: StreamRecord, error: unknown) => Error | null
}

export interface RowHandler {
  readonly take: TakeRow
  /** False: `take` does not look at a value that is as it stands in the row. */
  readonly seesValue: boolean
  /** Its records carry a `Change`. */
  readonly takesChanges: boolean
  /** As that of a `RowRun`. */
  readonly lookAhead?: RowRun['lookAhead']
  readonly refuse?: (record: StreamRecord, error: unknown) => Error | null
}

/**
 * An operator from a function that handles one record. What the function throws ends the pipeline with an error that names
 * the node, unless the policy is to go on. Errors never travel upwards: each operator catches its own.
 */
export function operate(node: TopologyNode, context: OperatorContext, start: Step['start'], plain: PlainStep | null = null, plainForRows = plain): NodeOperator {
  return operatorOf([{ node, context, start, plain, plainForRows }])
}

/** `first`, then `second`, as one operator, in which they call each other directly; null where one of them is more than a function of a record. */
export function fuse(first: NodeOperator, second: NodeOperator): NodeOperator | null {
  return first.steps === undefined || second.steps === undefined ? null : operatorOf([...first.steps, ...second.steps])
}

function operatorOf(steps: readonly Step[]): NodeOperator {
  const operator = (source: Observable<StreamRecord>) =>
    new Observable<StreamRecord>((subscriber) => {
      const { output, run, rows } = connect(steps, subscriber)
      return source.subscribe(new StepsInput(output, run, rows, subscriber))
    })
  return Object.assign(operator, { steps })
}

/** From the last step to the first: neighbours that can be made one function are. */
function connect(steps: readonly Step[], subscriber: Subscriber<StreamRecord>): { readonly output: Output; readonly run: HeadRun | null; readonly rows: () => RowRun | null } {
  let output: Output = subscriber
  let run: HeadRun | null = null
  let taker: GuardedStep | null = null
  for (let end = steps.length; end > 0;) {
    let start = end
    while (start > 0 && steps[start - 1]!.plain !== null) start--
    const fused = start < end ? fusedRun(steps.slice(start, end), output, subscriber) : null
    if (fused === null) {
      start = end - 1
      const step: GuardedStep = new GuardedStep(steps[start]!, output, subscriber)
      run = headRun(steps.slice(0, end), step, subscriber)
      if (step.rowHandler !== null) taker = step
      else if (step.step.plainForRows === null) taker = null
      step.findRows = rowRun(steps.slice(start), taker, subscriber)
      output = step
    } else output = fused
    end = start
  }
  return { output, run, rows: rowRun(steps, taker, subscriber) }
}

/** From the first of these steps to the one that takes rows, if all before it do with them what they do with records. Made for the first who asks. */
function rowRun(steps: readonly Step[], taker: GuardedStep | null, subscriber: Subscriber<StreamRecord>): () => RowRun | null {
  let run: RowRun | null | undefined
  return () => (run === undefined ? (run = taker === null ? null : makeRowRun(steps, taker, subscriber)) : run)
}

function makeRowRun(steps: readonly Step[], taker: GuardedStep, subscriber: Subscriber<StreamRecord>): RowRun | null {
  const { step } = taker
  const { take, seesValue, takesChanges, lookAhead, refuse } = taker.rowHandler!
  const plain = steps.slice(0, steps.indexOf(step)).map(({ plainForRows }) => plainForRows!)
  const carried = (record: StreamRecord) => (takesChanges ? record.withValue({ newValue: record.value, oldValue: null, isLatest: true }) : record)
  return fuseRowRun(step.node.name, plain, {
    subscriber, take, seesValue, lookAhead, output: taker,
    fail: (index, record, error) => failed(steps[index]!, record, error, subscriber),
    refuse: (record, error) => failedToTake(step, refuse, carried(record), error, subscriber),
  })
}

function failedToTake(step: Step, refuse: HeadHandler['refuse'], record: StreamRecord, error: unknown, subscriber: Subscriber<StreamRecord>): void {
  if (refuse === undefined) {
    failed(step, record, error, subscriber)
    return
  }
  const failure = refuse(record, error)
  if (failure !== null) subscriber.error(failure)
}

/** Where all steps up to the last one are plain, and that can do without a record: what takes records before they are made. */
function headRun(steps: readonly Step[], last: GuardedStep, subscriber: Subscriber<StreamRecord>): HeadRun | null {
  const { head, step } = last
  const plain = steps.slice(0, -1).map((each) => each.plain).filter((each) => each !== null)
  if (head === null || plain.length < steps.length - 1) return null
  const fail = (index: number, record: StreamRecord, error: unknown) => failed(steps[index]!, record, error, subscriber)
  const refuse = (record: StreamRecord, error: unknown) => last.refuse(record, error)
  return fuseHeadRun(step.node.name, plain, { subscriber, fail, take: head.take, seesValue: head.seesValue, ahead: head.ahead ?? null, refuse, output: last })
}

function fusedRun(steps: readonly Step[], output: Output, subscriber: Subscriber<StreamRecord>): Output | null {
  const fail = (index: number, record: StreamRecord, error: unknown) => failed(steps[index]!, record, error, subscriber)
  return fuseSteps(steps[0]!.node.name, steps.map(({ plain }) => plain!), { output, subscriber, fail })
}

/** Takes records straight to the first step, without what RxJS puts between a source and an observer; the end goes to those behind the last one. */
export class StepsInput extends Subscriber<StreamRecord> {
  readonly #first: Output
  /** As `next`, of a record that was not made yet; null: it must be made. */
  readonly run: HeadRun | null
  readonly #findRows: () => RowRun | null

  constructor(first: Output, run: HeadRun | null, rows: () => RowRun | null, subscriber: Subscriber<StreamRecord>) {
    super(subscriber)
    this.#first = first
    this.run = run
    this.#findRows = rows
  }

  /** As `run`, of changes from flushed rows. */
  get rows(): RowRun | null {
    return this.#findRows()
  }

  override next(record: StreamRecord): void {
    if (!this.isStopped) this.#first.next(record)
  }
}

/** One step of a run. After one of them has failed all of them are done. */
class GuardedStep implements Output {
  readonly step: Step
  /** How it handles what was read; null: it takes records only. */
  readonly head: HeadHandler | null
  /** How it handles changes from flushed rows; null: it takes records only. */
  readonly rowHandler: RowHandler | null
  /** Of the run that begins with it. */
  findRows: (() => RowRun | null) | null = null
  readonly #subscriber: Subscriber<StreamRecord>
  readonly #handle: (record: StreamRecord) => void

  constructor(step: Step, output: Output, subscriber: Subscriber<StreamRecord>) {
    const handle = step.start(output)
    this.step = step
    this.head = handle.head ?? null
    this.rowHandler = handle.rows ?? null
    this.#subscriber = subscriber
    this.#handle = handle
  }

  get rows(): RowRun | null {
    return this.findRows?.() ?? null
  }

  next(record: StreamRecord): void {
    if (this.#subscriber.closed) return
    try {
      this.#handle(record)
    } catch (error) {
      failed(this.step, record, error, this.#subscriber)
    }
  }

  refuse(record: StreamRecord, error: unknown): void {
    failedToTake(this.step, this.head?.refuse, record, error, this.#subscriber)
  }
}

function failed({ node, context }: Step, record: StreamRecord, error: unknown, subscriber: Subscriber<StreamRecord>): void {
  if (error instanceof Refusal) subscriber.error(error.failure)
  else if (!context.continueAfter(node, record, error)) subscriber.error(context.failure(node, record, error))
}
