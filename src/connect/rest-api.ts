import { describeError } from './errors.ts'
import type { ConnectWorker } from './runtime/connect-worker.ts'
import type { ServedWorker } from './rest/serve-rest.ts'

export interface RestApi {
  /** `http://host:port`. */
  readonly url: string
  close(): Promise<void>
}

/**
 * Opens the REST API of a worker, on the listeners that its config names. What it needs is loaded when it is called.
 * @throws INVALID_CONFIG for a listener, a certificate or a file of users that cannot be used
 */
export async function openRestApi(worker: ServedWorker): Promise<RestApi> {
  // asked for once: where TypeScript is run as it stands, a second import that comes during the first gets modules that are not whole
  serving ??= import('./rest/serve-rest.ts')
  return (await serving).serveRest(worker)
}

let serving: Promise<{ readonly serveRest: (worker: ServedWorker) => Promise<RestApi> }> | undefined

/**
 * The REST API of a worker by itself. Where nobody asked for it and its usual port is taken, as by another worker of this machine,
 * the worker goes on without; null then.
 */
export async function openStandaloneRestApi(worker: ConnectWorker, { isAskedFor }: { readonly isAskedFor: boolean }): Promise<RestApi | null> {
  try {
    const api = await openRestApi({ herder: worker.herder, parts: worker.parts, isReady: () => true })
    worker.workerId = new URL(api.url).host
    return api
  } catch (error) {
    if (isAskedFor || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    worker.parts.log.warn(`there is no REST API: ${describeError(error)}; say in listeners where it should be`)
    return null
  }
}
