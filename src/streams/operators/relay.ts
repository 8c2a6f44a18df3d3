import type { Observer, Subscriber } from 'rxjs'
import type { HeadRun } from '../record-head.ts'
import { Observable } from '../rx.ts'
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
