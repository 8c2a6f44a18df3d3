import type { Header } from '../../core/index.ts'
import { InputOrigin, noHeaders } from '../stream-record.ts'
import type { RecordOrigin } from '../stream-record.ts'

/** Where in the program it failed. */
export interface FailurePlace {
  readonly applicationId: string
  readonly taskId: string
  readonly node: string
}

export interface StreamDeadLetter {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** null: that of what was being processed. */
  readonly timestamp: number | null
  readonly headers: readonly Header[]
}

const encoder = new TextEncoder()
/** A stack and a message may be of any length, and a dead letter must fit into its topic. */
const maxTextLength = 8_000

/**
 * The record as it was read, with its own headers, then what went wrong and where it came from, under the names that Kafka
 * Streams gives them (KIP-1034); the stack ends with where in the program that was. A punctuator has no record, and what a store
 * has sent on later has none any more: such a letter has neither key nor value, and is not put back.
 */
export function deadLetterOf(origin: RecordOrigin, error: unknown, place: FailurePlace): StreamDeadLetter {
  const read = origin instanceof InputOrigin ? origin.read : null
  const { name, message, stack } = describe(error)
  const about = [
    header('exception', name),
    header('message', message.slice(0, maxTextLength)),
    header('stacktrace', `${stack.slice(0, maxTextLength)}\n    in ${place.node}, task ${place.taskId} of ${place.applicationId}`),
    header('topic', origin.topic),
    header('partition', String(origin.partition)),
    header('offset', String(origin.offset)),
  ]
  return { key: origin.rawKey, value: origin.rawValue, timestamp: read?.timestamp ?? null, headers: [...(read?.headers ?? noHeaders), ...about] }
}

function header(name: string, text: string): Header {
  return { key: `__streams.errors.${name}`, value: encoder.encode(text) }
}

function describe(error: unknown): { readonly name: string; readonly message: string; readonly stack: string } {
  if (error instanceof Error) return { name: error.name, message: error.message, stack: error.stack ?? '' }
  return { name: typeof error, message: String(error), stack: '' }
}
