import type { Header } from '../../core/index.ts'
import type { RecordOrigin } from '../stream-record.ts'

const encoder = new TextEncoder()

/**
 * The headers of a dead letter: those of the record, then what went wrong and where it came from, under the names that
 * Kafka Streams gives them (KIP-1034). Key and value are the bytes as read.
 */
export function deadLetterHeaders(headers: readonly Header[], origin: RecordOrigin, error: unknown): readonly Header[] {
  const { name, message, stack } = describe(error)
  return [
    ...headers,
    header('exception', name),
    header('message', message),
    header('stacktrace', stack),
    header('topic', origin.topic),
    header('partition', String(origin.partition)),
    header('offset', String(origin.offset)),
  ]
}

function header(name: string, text: string): Header {
  return { key: `__streams.errors.${name}`, value: encoder.encode(text) }
}

function describe(error: unknown): { readonly name: string; readonly message: string; readonly stack: string } {
  if (error instanceof Error) return { name: error.name, message: error.message, stack: error.stack ?? '' }
  return { name: typeof error, message: String(error), stack: '' }
}
