import { Observable } from 'rxjs'
import type { OperatorFunction } from 'rxjs'
import type { StreamRecord } from '../stream-record.ts'
import type { TopologyNode } from '../topology/node.ts'
import type { OperatorContext } from './operator-context.ts'

export type NodeOperator = OperatorFunction<StreamRecord, StreamRecord>

/** Where an operator sends records on. Also usable between two inputs: from a punctuator, or when a cache is flushed. */
export interface Output {
  next(record: StreamRecord): void
}

/**
 * An operator from a function that handles one record. What the function throws ends the pipeline with an error that names
 * the node, unless the policy is to go on. Errors never travel upwards: each operator catches its own.
 */
export function operate(node: TopologyNode, context: OperatorContext, start: (output: Output) => (record: StreamRecord) => void): NodeOperator {
  return (source) =>
    new Observable((subscriber) => {
      const handle = start(subscriber)
      return source.subscribe({
        next(record) {
          try {
            handle(record)
          } catch (error) {
            if (!context.continueAfter(node, record, error)) subscriber.error(context.failure(node, record, error))
          }
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => subscriber.complete(),
      })
    })
}
