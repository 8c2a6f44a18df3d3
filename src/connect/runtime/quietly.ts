import { settledWithin } from '../../core/index.ts'
import type { Clock } from '../../core/index.ts'
import type { Log } from '../connector.ts'
import { describeError } from '../errors.ts'

/** Takes a last step: what goes wrong with it is told in the log, and hides neither why it is the last nor what is to be done after it. */
export async function quietly(what: string, step: () => unknown, log: Log): Promise<void> {
  try {
    await step()
  } catch (error) {
    log.warn(`${what}: ${describeError(error)}`)
  }
}

/** As `quietly`, for a step of a plugin's, which may hang: then it is left behind, and what comes after it is done all the same. */
export async function quietlyInTime(what: string, step: () => unknown, { log, clock, graceMs }: { readonly log: Log; readonly clock: Clock; readonly graceMs: number }): Promise<void> {
  if (!(await settledWithin(quietly(what, step, log), clock, graceMs))) log.warn(`${what}: it has not ended after ${graceMs} ms and is left behind`)
}
