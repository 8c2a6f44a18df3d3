import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import type { createJiti } from 'jiti'
import { configSpec, option } from '../config-spec.ts'
import type { ConfigOf } from '../config-spec.ts'
import type { ConnectRecord } from '../connect-record.ts'
import type { Transform, TransformPlugin } from '../connector.ts'
import * as errors from '../errors.ts'
import { configError, dataError, describeError } from '../errors.ts'
import * as schemas from '../schema.ts'
import { transformVersion } from './sides.ts'

/** A record whose key and value have the types that the script's author knows them to have. */
export type ScriptRecord<V = unknown, K = unknown> = Omit<ConnectRecord, 'key' | 'value'> & { readonly key: K; readonly value: V }

/**
 * What the module of a `Script` transform exports: gives the record, another one, or null to drop it. Synchronous and without side effects: it may
 * run again for the same record. What it throws is a failure of the record, for `errors.tolerance` to decide.
 * ```ts
 * import type { Script } from 'millrace/connect'
 *
 * const script: Script<{ readonly country: string }> = (record) =>
 *   record.value.country === 'XX' ? null : { ...record, topic: `orders-${record.value.country.toLowerCase()}` }
 * export default script
 * ```
 */
export type Script<V = unknown, K = unknown, W = V, L = K> = (record: ScriptRecord<V, K>) => ScriptRecord<W, L> | null

const config = configSpec({
  'module': option.string({ doc: 'File of a JavaScript or TypeScript module, relative to where the worker runs.', importance: 'high' }),
  'export': option.string({ doc: 'Name of the function in it.', default: 'default' }),
})

/** Ours: for what no configuration can say. */
export const script: TransformPlugin = {
  type: 'transformation', class: 'millrace.transforms.Script', version: transformVersion, config,
  doc: 'Runs a function of a JavaScript or TypeScript module over each record.',
  create: (parsed) => scriptOf(parsed as ConfigOf<typeof config>),
}

function scriptOf({ module, export: name }: ConfigOf<typeof config>): Transform {
  const run = load(module, name)
  return { apply: <R extends ConnectRecord>(record: R): R | null => checked(record, run(record as never), module) }
}

function checked<R extends ConnectRecord>(record: R, result: unknown, module: string): R | null {
  if (result === null || result === record) return result as R | null
  if (result instanceof Promise) throw dataError(`the script ${module} gives a promise; it must be synchronous`)
  const given = result as Partial<ConnectRecord> | undefined
  if (typeof given !== 'object' || typeof given.topic !== 'string' || !Array.isArray(given.headers)) throw dataError(`the script ${module} must give a record (with topic and headers) or null, not ${given === undefined ? 'undefined: does it return?' : typeof given}`)
  return { ...record, ...given }
}

/** `millrace/connect` in it is the copy that runs here, so that a Struct is a Struct. @throws INVALID_CONFIG */
function load(module: string, name: string): Script<never, never> {
  const path = resolve(module)
  let exported: Readonly<Record<string, unknown>>
  try {
    const { createJiti: create } = createRequire(import.meta.url)('jiti') as { readonly createJiti: typeof createJiti }
    const jiti = create(path, { fsCache: false, interopDefault: false, virtualModules: { 'millrace/connect': { ...errors, ...schemas } } })
    exported = jiti(path) as Readonly<Record<string, unknown>>
  } catch (cause) {
    throw configError(`Invalid value ${module} for configuration module: it cannot be loaded: ${describeError(cause)}`, { cause })
  }
  const found = exported[name]
  if (typeof found === 'function') return found as Script<never, never>
  throw configError(`Invalid value ${name} for configuration export: ${module} exports ${found === undefined ? 'no such name' : `a ${typeof found}`}, a function is needed`)
}
