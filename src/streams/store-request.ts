import { StreamError, durationMs } from '../core/index.ts'
import type { Serde } from '../core/index.ts'
import type { AnyStoreOptions, RetentionOption } from './options.ts'
import type { BuilderContext } from './plan.ts'
import { serdeOf } from './topic.ts'
import { checkedName } from './topology/names.ts'
import type { ChangelogSpec, StoreSpec, StoreType } from './topology/node.ts'

/** A store as the options ask for it, with its name settled; what kind it is, the operator says. */
export interface StoreRequest {
  readonly name: string
  /** null: as the operator's input or result has it. */
  readonly keySerde: Serde<unknown> | null
  readonly valueSerde: Serde<unknown> | null
  readonly persistent: boolean
  readonly caching: boolean
  readonly changelog: ChangelogSpec | null
  readonly retentionMs: number | null
}

/** Takes the name given, or uses up a number for a generated one. */
export function storeRequest(context: BuilderContext, options: AnyStoreOptions & RetentionOption, prefix: string): StoreRequest {
  return {
    name: options.store === undefined ? context.names.store(prefix) : checkedName(options.store),
    keySerde: options.key === undefined ? null : serdeOf(options.key, 'key'),
    valueSerde: options.value === undefined ? null : serdeOf(options.value, 'value'),
    persistent: options.type !== 'inMemory',
    caching: options.caching ?? true,
    changelog: changelogOf(options.logging ?? true),
    retentionMs: options.retention === undefined ? null : durationMs(options.retention, 'retention'),
  }
}

function changelogOf(logging: boolean | Readonly<Record<string, string>>): ChangelogSpec | null {
  if (logging === false) return null
  return Object.freeze({ sourceTopic: null, topicConfig: Object.freeze(logging === true ? {} : { ...logging }) })
}

export function storeSpec(
  request: StoreRequest,
  fallback: { readonly keySerde: Serde<unknown>; readonly valueSerde: Serde<unknown> },
  kind: { readonly type: StoreType } & Partial<Pick<StoreSpec, 'retentionMs' | 'windowSizeMs' | 'timeOrdered' | 'retainDuplicates'>>,
): StoreSpec {
  return Object.freeze({
    name: request.name,
    keySerde: request.keySerde ?? fallback.keySerde,
    valueSerde: request.valueSerde ?? fallback.valueSerde,
    persistent: request.persistent,
    caching: request.caching,
    changelog: request.changelog,
    ...kind,
  })
}

/** The retention asked for, which must hold every window that still takes records. */
export function windowRetentionMs(request: StoreRequest, leastMs: number): number {
  if (request.retentionMs === null) return leastMs
  if (request.retentionMs >= leastMs) return request.retentionMs
  throw new StreamError('TOPOLOGY_INVALID', `the store ${request.name} keeps windows for ${request.retentionMs} ms, but windows take records for ${leastMs} ms (size and grace); raise the retention`)
}
