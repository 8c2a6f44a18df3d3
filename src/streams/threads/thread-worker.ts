/** What a worker thread of an application begins with: topologies are loaded as Node loads modules. */
import { loadFailure, serveStreamThread } from './serve-thread.ts'

await serveStreamThread(async (module) => {
  try {
    return ((await import(module)) as { readonly default?: unknown }).default
  } catch (cause) {
    throw loadFailure(module, cause)
  }
})
