import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'

/** A topic that was just created is not known to every broker for a moment. */
export const unknownTopicPatienceMs = 1_000

/** For the attempts of one call: a topic that stays unknown for a while does not exist, and the call is not repeated any more. */
export function topicPatience(clock: Clock): (error: StreamError) => StreamError {
  let since: number | undefined
  return (error) => {
    if (error.code !== 'UNKNOWN_TOPIC_OR_PARTITION') return error
    since ??= clock.monotonic()
    return clock.monotonic() - since < unknownTopicPatienceMs ? error : new StreamError(error.code, error.message, { cause: error })
  }
}
