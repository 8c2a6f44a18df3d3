import type { Observer } from 'rxjs'
import type { HeadRun } from '../record-head.ts'
import type { RowRun } from '../row-change.ts'
import { Observable, Subscriber } from '../rx.ts'
import type { StreamRecord } from '../stream-record.ts'
import { StepsInput } from './operate.ts'

/** Hands each record to all who subscribed to `output`, in their order. A Subject without what one does for every value. */
export class Relay implements Observer<StreamRecord> {
  readonly output: Observable<StreamRecord>
  /** Replaced, never changed: a loop over it may go on. */
  #subscribers: readonly Subscriber<StreamRecord>[] = []

  constructor() {
    this.output = new Observable((subscriber) => {
      this.#subscribers = [...this.#subscribers, subscriber]
      return () => { this.#subscribers = this.#subscribers.filter((other) => other !== subscriber) }
    })
  }

  /** As `next`, of a record that was not made yet, where there is one who takes such; else null. Asked for when all have subscribed. */
  get run(): HeadRun | null {
    const [only, ...others] = this.#subscribers
    return others.length === 0 && only instanceof StepsInput ? only.run : null
  }

  /** As `run`, of changes from flushed rows. */
  get rows(): RowRun | null {
    const [only, ...others] = this.#subscribers
    return others.length === 0 && only instanceof StepsInput ? only.rows : null
  }

  next(record: StreamRecord): void {
    const subscribers = this.#subscribers
    for (let index = 0; index < subscribers.length; index++) subscribers[index]!.next(record)
  }

  error(error: unknown): void {
    for (const subscriber of this.#subscribers) subscriber.error(error)
  }

  complete(): void {
    for (const subscriber of this.#subscribers) subscriber.complete()
  }
}

/** One of several ways into a relay. */
export class RelayInput extends Subscriber<StreamRecord> {
  readonly #relay: Relay

  constructor(relay: Relay) {
    super(relay)
    this.#relay = relay
  }

  get rows(): RowRun | null {
    return this.#relay.rows
  }

  override next(record: StreamRecord): void {
    if (!this.isStopped) this.#relay.next(record)
  }
}
