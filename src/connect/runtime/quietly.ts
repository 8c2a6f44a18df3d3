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
