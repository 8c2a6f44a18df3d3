import type { Subscriber } from 'rxjs'
import { StreamError } from '../../core/index.ts'
import { Observable } from '../rx.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import type { AsyncSource } from './async-work.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/**
 * Calls a function that waits for each record, several at once, and sends the results on in order. The task commits only
 * when every call has come to its end, so a crash leads to calls that are made again, and never to one that is left out.
 */
export function mapAsync(node: NodeOf<'mapAsync'>, context: OperatorContext): NodeOperator {
  return (source) =>
    new Observable((subscriber) => {
      const calls = new Calls(node, context, subscriber)
      context.asyncWork.add(calls)
      context.onClose(() => calls.close())
      return source.subscribe({
        next: (record) => calls.add(record),
        error: (error: unknown) => subscriber.error(error),
        complete: () => subscriber.complete(),
      })
    })
}

/** ```
 *   waiting ──a place is free──▶ under way ──▶ ended ──everything before it is sent on──▶ (gone)
 *                                   ▲  └ failed or too late, with tries left ┐
 *                                   └────────────── back-off ◀───────────────┘
 * ``` */
interface Call {
  readonly record: StreamRecord
  /** Equal for records whose results keep their order. */
  readonly orderKey: string
  attempts: number
  outcome: { readonly value: unknown } | { readonly error: unknown } | null
  /** Ends the attempt or back-off that is under way. */
  cancel: (() => void) | null
}

class Calls implements AsyncSource {
  readonly #node: NodeOf<'mapAsync'>
  readonly #context: OperatorContext
  readonly #subscriber: Subscriber<StreamRecord>
  /** In the order of their records; the ones in front have been started. */
  #calls: Call[] = []
  #started = 0

  constructor(node: NodeOf<'mapAsync'>, context: OperatorContext, subscriber: Subscriber<StreamRecord>) {
    this.#node = node
    this.#context = context
    this.#subscriber = subscriber
  }

  get isFull(): boolean {
    return this.#calls.length >= this.#node.maxInFlight
  }

  get isIdle(): boolean {
    return this.#calls.length === 0
  }

  add(record: StreamRecord): void {
    try {
      this.#calls.push({ record, orderKey: this.#orderKeyOf(record), attempts: 0, outcome: null, cancel: null })
    } catch (error) {
      this.#fail(record, error)
      return
    }
    this.#startWaiting()
  }

  send(): boolean {
    const ready = this.#takeReady()
    for (const { record, outcome } of ready) {
      if (this.#subscriber.closed) return true
      this.#context.enter(record)
      if ('value' in outcome!) this.#subscriber.next(record.withValue(outcome.value))
      else this.#fail(record, outcome!.error)
    }
    this.#startWaiting()
    return ready.length > 0
  }

  close(): void {
    this.#context.asyncWork.remove(this)
    for (const { cancel } of this.#calls.splice(0)) cancel?.()
    this.#started = 0
  }

  /** Takes out the calls whose results may be sent on: nothing of their order key is under way before them. */
  #takeReady(): readonly Call[] {
    const ready: Call[] = []
    const open = new Set<string>()
    this.#calls = this.#calls.filter((call) => {
      if (call.outcome !== null && !open.has(call.orderKey)) {
        ready.push(call)
        return false
      }
      open.add(call.orderKey)
      return true
    })
    this.#started -= ready.length
    return ready
  }

  #startWaiting(): void {
    while (this.#started < this.#calls.length && this.#started < this.#node.maxInFlight) this.#attempt(this.#calls[this.#started++]!)
  }

  #attempt(call: Call): void {
    const { call: callFunction, timeoutMs, maxAttempts, backoffMs } = this.#node
    const { record } = call
    const abort = new AbortController()
    let isOver = false
    call.attempts++
    const end = (outcome: NonNullable<Call['outcome']>): void => {
      if (isOver) return
      isOver = true
      timer.cancel()
      call.cancel = null
      if ('error' in outcome && call.attempts < maxAttempts) this.#attemptLater(call, backoffMs * 2 ** (call.attempts - 1))
      else {
        call.outcome = outcome
        this.#context.asyncWork.notify()
      }
    }
    const timer = this.#context.setTimer(timeoutMs, () => {
      end({ error: new StreamError('TIMEOUT', `mapAsync: the call had no result after ${timeoutMs} ms (attempt ${call.attempts} of ${maxAttempts})`) })
      abort.abort()
    })
    call.cancel = () => {
      isOver = true
      timer.cancel()
      abort.abort()
    }
    // What the function throws at once is a failed call like any other.
    Promise.resolve()
      .then(() => (isOver ? undefined : callFunction(record.value, record.key, record, abort.signal)))
      .then((value) => end({ value }), (error: unknown) => end({ error }))
  }

  #attemptLater(call: Call, delayMs: number): void {
    const timer = this.#context.setTimer(delayMs, () => this.#attempt(call))
    call.cancel = () => timer.cancel()
  }

  #orderKeyOf({ key }: StreamRecord): string {
    if (this.#node.order === 'total' || key === null || key === undefined) return ''
    return `k${Buffer.from(this.#node.keySerde.serialize(key)).toString('latin1')}`
  }

  #fail(record: StreamRecord, error: unknown): void {
    if (!this.#context.continueAfter(this.#node, record, error)) this.#subscriber.error(this.#context.failure(this.#node, record, error))
  }
}
