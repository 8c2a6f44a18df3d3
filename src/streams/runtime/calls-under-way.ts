/** What a thread does about functions of the program that wait for something, such as the answer of another machine. */
import { sleep } from '../../core/index.ts'
import type { Clock } from '../../core/index.ts'
import type { ActiveTask } from './active-task.ts'

/** As long as calls are under way, input is looked for this often at least. */
const resultPollMs = 10

/** Calls are under way, and until one ends there is nothing to process. */
export function isWaiting(tasks: readonly ActiveTask[], nowMs: number): boolean {
  const busy = tasks.filter(({ task }) => task.hasCallsUnderWay)
  return busy.length > 0 && tasks.every((active) => busy.includes(active) || active.readyInMs(nowMs) > 0)
}

/** Resolves when a call has ended, or it is time to look for input. */
export async function nextResult(tasks: readonly ActiveTask[], clock: Clock, signal: AbortSignal): Promise<void> {
  const wake = new AbortController()
  const results = tasks.filter(({ task }) => task.hasCallsUnderWay).map(({ task }) => task.nextResult())
  await Promise.race([...results, sleep(clock, resultPollMs, AbortSignal.any([wake.signal, signal]))])
  wake.abort()
}

/** Lets timers and completed I/O of the rest of the process run. */
export function giveWay(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Until no call is under way, also of those that emptying the caches leads to; each has its time limit. */
export async function settle(tasks: readonly ActiveTask[], clock: Clock): Promise<void> {
  for (const { task } of tasks) {
    task.flush()
    while (task.hasCallsUnderWay) {
      if (!task.sendResults(clock.now())) await task.nextResult()
      if (!task.hasCallsUnderWay) task.flush()
    }
  }
}
