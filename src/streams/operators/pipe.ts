import type { OperatorFunction } from 'rxjs'
import { StreamError, isStreamError } from '../../core/index.ts'
import { Observable, Subject, Subscription } from '../rx.ts'
import { StreamRecord, noHeaders, noOrigin } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/**
 * RxJS operators of the user, over `StreamRecord`s. They must be synchronous: a record that comes out after `process`
 * returned would miss its commit, so it ends the task with an error that says so. An RxJS pipeline is over after an error: where
 * the policy is to go on, a new one begins with the next record.
 */
export function pipe(node: NodeOf<'pipe'>, context: OperatorContext): NodeOperator {
  return (source) =>
    new Observable((subscriber) => {
      let current: StreamRecord | null = null
      let input = new Subject<StreamRecord>()
      const connection = new Subscription()
      const fail = (error: unknown) => subscriber.error(isStreamError(error, 'PROCESSING_FAILED') ? error : context.failure(node, current ?? emptyRecord, error))
      const connect = (): void => {
        input = new Subject()
        const piped = node.operators.reduce<Observable<StreamRecord>>((stream, operator) => (operator as unknown as OperatorFunction<StreamRecord, StreamRecord>)(stream), input)
        connection.add(piped.subscribe({
          next(record) {
            if (current === null) fail(asynchronous())
            else if (record instanceof StreamRecord) subscriber.next(record)
            else fail(notARecord())
          },
          error(error: unknown) {
            if (current !== null && context.continueAfter(node, current, error)) connect()
            else fail(error)
          },
          complete: () => subscriber.complete(),
        }))
      }
      connect()
      connection.add(source.subscribe({
        next(record) {
          current = record
          input.next(record)
          current = null
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => input.complete(),
      }))
      return connection
    })
}

function asynchronous(): StreamError {
  return new StreamError('PROCESSING_FAILED', 'an operator given to pipe() emitted a record later than its input: operators that wait (delay, debounceTime, from a promise…) cannot be used in a stream')
}

function notARecord(): StreamError {
  return new StreamError('PROCESSING_FAILED', 'an operator given to pipe() emitted something that is not a record: use record.withValue(…) or record.with(key, value)')
}

const emptyRecord = new StreamRecord(null, null, 0, noHeaders, noOrigin)
