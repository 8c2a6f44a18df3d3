/** A condition that only a bug of ours can break. The world's failures are `StreamError`s. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

export class AssertionError extends Error {
  override readonly name = 'AssertionError'
  constructor(message: string) {
    super(`millrace bug, please report it: ${message}`)
  }
}
