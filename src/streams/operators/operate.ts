import type { OperatorFunction } from 'rxjs'
import { Observable, Subscriber } from '../rx.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { TopologyNode } from '../topology/node.ts'
import type { HeadRun } from '../record-head.ts'
import { fuseHeadRun, fuseSteps } from './fused-steps.ts'
import type { PlainStep, TakeRead } from './fused-steps.ts'
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
}

interface Step {
  readonly node: TopologyNode
  readonly context: OperatorContext
  readonly start: (output: Output) => RecordHandler
  /** What `start` comes to, for steps that do nothing but call a function and send on what it gives; null for others. */
  readonly plain: PlainStep | null
}

/** What an operator does with a record. */
export interface RecordHandler {
  (record: StreamRecord): void
  /** For operators that can do without a record: runs from a source may end with them. */
  readonly head?: HeadHandler
}

export interface HeadHandler {
  readonly take: TakeRead
  /** False: `take` does not look at a value that is as it was read. */
  readonly seesValue: boolean
  /** `take` threw: gives the failure that ends the pipeline, or null to go on. Absent: as where the handler throws. */
  readonly refuse?: (record: StreamRecord, error: unknown) => Error | null
}

/**
 * An operator from a function that handles one record. What the function throws ends the pipeline with an error that names
 * the node, unless the policy is to go on. Errors never travel upwards: each operator catches its own.
 */
export function operate(node: TopologyNode, context: OperatorContext, start: Step['start'], plain: PlainStep | null = null): NodeOperator {
  return operatorOf([{ node, context, start, plain }])
}

/** `first`, then `second`, as one operator, in which they call each other directly; null where one of them is more than a function of a record. */
export function fuse(first: NodeOperator, second: NodeOperator): NodeOperator | null {
  return first.steps === undefined || second.steps === undefined ? null : operatorOf([...first.steps, ...second.steps])
}

function operatorOf(steps: readonly Step[]): NodeOperator {
  const operator = (source: Observable<StreamRecord>) =>
    new Observable<StreamRecord>((subscriber) => {
      const { output, run } = connect(steps, subscriber)
      return source.subscribe(new StepsInput(output, run, subscriber))
    })
  return Object.assign(operator, { steps })
}

/** From the last step to the first: neighbours that can be made one function are. */
function connect(steps: readonly Step[], subscriber: Subscriber<StreamRecord>): { readonly output: Output; readonly run: HeadRun | null } {
  let output: Output = subscriber
  let run: HeadRun | null = null
  for (let end = steps.length; end > 0;) {
    let start = end
    while (start > 0 && steps[start - 1]!.plain !== null) start--
    const fused = start < end ? fusedRun(steps.slice(start, end), output, subscriber) : null
    if (fused === null) {
      start = end - 1
      const step = new GuardedStep(steps[start]!, output, subscriber)
      run = headRun(steps.slice(0, end), step, subscriber)
      output = step
    } else output = fused
    end = start
  }
  return { output, run }
}

/** Where all steps up to the last one are plain, and that can do without a record: what takes records before they are made. */
function headRun(steps: readonly Step[], last: GuardedStep, subscriber: Subscriber<StreamRecord>): HeadRun | null {
  const { head, step } = last
  const plain = steps.slice(0, -1).map((each) => each.plain).filter((each) => each !== null)
  if (head === null || plain.length < steps.length - 1) return null
  const fail = (index: number, record: StreamRecord, error: unknown) => failed(steps[index]!, record, error, subscriber)
  const refuse = (record: StreamRecord, error: unknown) => {
    if (head.refuse === undefined) {
      failed(step, record, error, subscriber)
      return
    }
    const failure = head.refuse(record, error)
    if (failure !== null) subscriber.error(failure)
  }
  return fuseHeadRun(step.node, plain, { subscriber, fail, take: head.take, seesValue: head.seesValue, refuse, output: last })
}

function fusedRun(steps: readonly Step[], output: Output, subscriber: Subscriber<StreamRecord>): Output | null {
  const fail = (index: number, record: StreamRecord, error: unknown) => failed(steps[index]!, record, error, subscriber)
  return fuseSteps(steps[0]!.node, steps.map(({ plain }) => plain!), { output, subscriber, fail })
}

/** Takes records straight to the first step, without what RxJS puts between a source and an observer; the end goes to those behind the last one. */
export class StepsInput extends Subscriber<StreamRecord> {
  readonly #first: Output
  /** As `next`, of a record that was not made yet; null: it must be made. */
  readonly run: HeadRun | null

  constructor(first: Output, run: HeadRun | null, subscriber: Subscriber<StreamRecord>) {
    super(subscriber)
    this.#first = first
    this.run = run
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
  readonly #subscriber: Subscriber<StreamRecord>
  readonly #handle: (record: StreamRecord) => void

  constructor(step: Step, output: Output, subscriber: Subscriber<StreamRecord>) {
    const handle = step.start(output)
    this.step = step
    this.head = handle.head ?? null
    this.#subscriber = subscriber
    this.#handle = handle
  }

  next(record: StreamRecord): void {
    if (this.#subscriber.closed) return
    try {
      this.#handle(record)
    } catch (error) {
      failed(this.step, record, error, this.#subscriber)
    }
  }
}

function failed({ node, context }: Step, record: StreamRecord, error: unknown, subscriber: Subscriber<StreamRecord>): void {
  if (error instanceof Refusal) subscriber.error(error.failure)
  else if (!context.continueAfter(node, record, error)) subscriber.error(context.failure(node, record, error))
}
