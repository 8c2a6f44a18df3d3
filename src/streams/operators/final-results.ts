import type { StreamRecord } from '../stream-record.ts'
import type { EmitStrategy, NodeOf } from '../topology/node.ts'
import type { Windowed } from '../windows.ts'
import type { Output } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

export interface FinalResult {
  readonly window: Windowed<unknown>
  readonly value: unknown
  readonly timestamp: number
}

type WindowedAggregateNode = NodeOf<'windowAggregate' | 'slidingAggregate' | 'sessionAggregate'>

/** Asked for before a record is put, while every closed window is still in the store; sent after that, as upstream does. */
export interface FinalResults {
  /** Of the windows that closed since the last time. */
  take(closeTime: number): readonly FinalResult[]
  send(results: readonly FinalResult[], trigger: StreamRecord): void
}

const none: readonly FinalResult[] = []

/**
 * For on-window-close: sends the windows that closed since the last time, in the order of `closed`, with the headers of the
 * record that closed them. How far it came is committed with the offsets, so that no result is sent twice after a restart.
 * null for on-update.
 */
export function finalResults(
  node: WindowedAggregateNode,
  context: OperatorContext,
  output: Output,
  emit: EmitStrategy,
  closed: (lastCloseTime: number, closeTime: number) => Iterable<FinalResult>,
): FinalResults | null {
  if (emit === 'on-update') return null
  return {
    take: (closeTime) => {
      const lastCloseTime = context.metadata.get(node.store) ?? -1
      if (closeTime <= lastCloseTime) return none
      context.metadata.set(node.store, closeTime)
      return [...closed(lastCloseTime, closeTime)]
    },
    send: (results, trigger) => {
      for (const { window, value, timestamp } of results) {
        output.next(trigger.at(window, { newValue: value, oldValue: null, isLatest: true }, timestamp))
      }
      context.enter(trigger)
    },
  }
}
