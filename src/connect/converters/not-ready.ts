/**
 * Thrown by a converter that must ask somebody first, such as a schema registry: the worker waits for `ready` and makes the same call again.
 * So converters stay synchronous, and cost no promise for what they know already.
 */
export class NotReady extends Error {
  override readonly name = 'NotReady'
  readonly ready: Promise<void>

  constructor(ready: Promise<void>) {
    super('the converter waits for an answer')
    this.ready = ready
    // whoever catches this waits for it; until then its failure is nobody's
    ready.catch(() => {})
  }
}

/** Makes a synchronous call again as often as it is not ready. */
export async function whenReady<T>(call: () => T): Promise<T> {
  for (;;) {
    try {
      return call()
    } catch (error) {
      if (!(error instanceof NotReady)) throw error
      await error.ready
    }
  }
}
