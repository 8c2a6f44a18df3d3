import { StreamError, durationMs } from '../../core/index.ts'
import type { Duration, Header } from '../../core/index.ts'
import type { ProcessorContext, ScheduleOptions } from '../processor.ts'
import { StreamRecord, noHeaders, noOrigin } from '../stream-record.ts'
import type { RecordOrigin } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator, Output } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** A processor of the program. Semantics: ProcessorNode and ProcessorContextImpl. */
export function processor(node: NodeOf<'processor'>, context: OperatorContext): NodeOperator {
  return operate(node, context, (output) => {
    const scope = new ProcessorScope(node, context, output)
    const instance = node.factory()
    context.onConnected(node, () => {
      instance.init?.(scope as ProcessorContext<unknown, unknown> as ProcessorContext<never, never>)
      context.onClose(() => instance.close?.())
    })
    return (record) => scope.run(record, () => instance.process(record as StreamRecord<never, never>))
  })
}

/** The context of one processor, which knows what it is working on. */
class ProcessorScope implements ProcessorContext<unknown, unknown> {
  readonly #node: NodeOf<'processor'>
  readonly #context: OperatorContext
  readonly #output: Output
  #current: StreamRecord = new StreamRecord(null, null, 0, noHeaders, noOrigin)

  constructor(node: NodeOf<'processor'>, context: OperatorContext, output: Output) {
    this.#node = node
    this.#context = context
    this.#output = output
  }

  get applicationId(): string {
    return this.#context.applicationId
  }

  get taskId(): string {
    return this.#context.taskId
  }

  get streamTime(): number {
    return this.#context.streamTime
  }

  get origin(): RecordOrigin {
    return this.#current.origin
  }

  now(): number {
    return this.#context.now()
  }

  run(record: StreamRecord, work: () => void): void {
    this.#current = record
    this.#context.enter(record)
    work()
  }

  forward(record: StreamRecord, child?: string): void {
    if (this.#node.keepsKeys && record.key !== this.#current.key && this.#current.origin !== noOrigin) {
      throw new StreamError('INVALID_ARGUMENT', `${this.#node.name} must not change the key of a record: use process() instead of processValues()`)
    }
    if (child === undefined) this.#output.next(record)
    else this.#childNamed(child).next(record)
    // What comes after a record was forwarded belongs to this processor's record again.
    this.#context.enter(this.#current)
  }

  record(key: unknown, value: unknown, timestamp: number, headers: readonly Header[] = noHeaders): StreamRecord {
    return new StreamRecord(key, value, timestamp, headers, this.#current.origin)
  }

  store(store: unknown): never {
    const name = typeof store === 'string' ? store : (store as { readonly spec: { readonly name: string } }).spec.name
    return this.#context.store(this.#node, name).view as never
  }

  schedule(interval: Duration, type: 'stream-time' | 'wall-clock', punctuator: (timestamp: number) => void, { startAt }: ScheduleOptions = {}): { cancel(): void } {
    const intervalMs = durationMs(interval, `${this.#node.name}: the interval of a punctuator`)
    if (intervalMs < 1) throw new StreamError('INVALID_ARGUMENT', `${this.#node.name}: the interval of a punctuator must be at least 1 ms`)
    if (startAt !== undefined && (!Number.isSafeInteger(startAt) || startAt < 0)) {
      throw new StreamError('INVALID_ARGUMENT', `${this.#node.name}: startAt of a punctuator must be milliseconds since the epoch, not ${String(startAt)}`)
    }
    return this.#context.schedule(type, intervalMs, startAt ?? null, (timestamp) => {
      const idle = new StreamRecord(null, null, timestamp, noHeaders, noOrigin)
      try {
        this.run(idle, () => punctuator(timestamp))
      } catch (error) {
        if (!this.#context.continueAfter(this.#node, idle, error)) throw this.#context.failure(this.#node, idle, error)
      }
    })
  }

  requestCommit(): void {
    this.#context.requestCommit()
  }

  #childNamed(child: string): Output {
    const found = this.#context.childOf(this.#node, child)
    if (found !== undefined) return found
    throw new StreamError('INVALID_ARGUMENT', `${this.#node.name} has no child named ${child} to forward to`)
  }
}
