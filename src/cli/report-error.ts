import { isStreamError } from '../core/index.ts'

/**
 * What a person sees of a failure: one line for what went wrong in the world, with what caused it; the stack as well for what
 * must be a bug of ours or of the program that was run.
 */
export function describeFailure(error: unknown): string {
  if (isStreamError(error)) return `error: ${oneLine([error.message, ...causes(error)].join(': '))}`
  return `error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
}

/** Messages of the causes, without those that the message before already tells. */
function causes(error: Error): readonly string[] {
  const { cause } = error
  if (!(cause instanceof Error)) return []
  return error.message.includes(cause.message) ? causes(cause) : [cause.message, ...causes(cause)]
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ')
}
