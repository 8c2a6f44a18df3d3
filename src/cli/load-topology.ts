import { createJiti } from 'jiti'
import * as core from 'millrace'
import * as connect from 'millrace/connect'
import * as streams from 'millrace/streams'
import { StreamError } from '../core/index.ts'
import type { ErrorCode } from '../core/index.ts'
import { isTopology } from '../streams/index.ts'
import type { Topology } from '../streams/index.ts'
import { requireFile } from './files.ts'

/**
 * The topology that a module exports by default; TypeScript on any Node. `millrace/…` in it is the copy that runs this
 * command, wherever the module lies, so that there are no two of anything.
 * @throws INVALID_ARGUMENT when there is no such file, TOPOLOGY_INVALID when it cannot be loaded or exports something else
 */
export async function loadTopology(path: string): Promise<Topology> {
  const exported = await loadDefaultExport(path, requireFile(path))
  if (isTopology(exported)) return exported
  throw new StreamError('TOPOLOGY_INVALID', `${path} must export a topology by default, as in: export default builder.build(); it exports ${describeValue(exported)}`, { details: { file: path } })
}

/** What a module exports by default. @throws TOPOLOGY_INVALID, or the code that is given, when it cannot be loaded */
export async function loadDefaultExport(path: string, file: string, code: ErrorCode = 'TOPOLOGY_INVALID'): Promise<unknown> {
  const jiti = createJiti(file, { fsCache: false, interopDefault: false, virtualModules: { millrace: core, 'millrace/streams': streams, 'millrace/connect': connect } })
  try {
    return ((await jiti.import(file)) as { readonly default?: unknown }).default
  } catch (cause) {
    throw new StreamError(code, `${path}${lineOf(cause, file)} cannot be loaded`, { cause, details: { file: path } })
  }
}

/** Where in the file something failed, which may be a call of ours; nothing where the error does not say it. */
function lineOf(error: unknown, file: string): string {
  const frame = error instanceof Error ? error.stack?.split('\n').find((line) => line.trimStart().startsWith('at ') && line.includes(`${file}:`)) : undefined
  const line = frame?.split(`${file}:`)[1]?.split(':')[0]
  return line === undefined ? '' : `, line ${line},`
}

function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  return typeof value === 'object' && value !== null ? `an object of ${value.constructor?.name ?? 'no class'}` : `a ${typeof value}`
}
