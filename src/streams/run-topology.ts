import { StreamError } from '../core/index.ts'
import type { StreamsConfig } from './config.ts'
import { StreamsApp } from './streams-app.ts'
import type { StreamsState } from './streams-app.ts'
import { isTopology } from './topology/topology.ts'

export interface RunOptions extends StreamsConfig {
  /** Ends the run: what is in hand is committed first. */
  readonly signal?: AbortSignal
  readonly onStateChange?: (state: StreamsState, before: StreamsState) => void
}

/** Runs a topology until the signal fires; what `millrace run` does with a module's default export. @throws the failure that ended it */
export async function runTopology(topology: unknown, options: RunOptions): Promise<void> {
  if (!isTopology(topology)) {
    throw new StreamError('INVALID_ARGUMENT', 'there is no topology to run: end the module with `export default builder.build()`')
  }
  const { signal, onStateChange, ...config } = options
  const app = new StreamsApp(topology, config)
  if (onStateChange !== undefined) app.onStateChange(onStateChange)
  if (signal?.aborted) return
  const stop = () => void app.close().catch(() => {})
  signal?.addEventListener('abort', stop, { once: true })
  try {
    await app.start()
    await app.finished()
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}
