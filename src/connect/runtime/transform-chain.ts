/** The transforms of a connector, in order, each behind its predicate: `transforms`, `transforms.a.type`, `predicates`, `transforms.a.predicate`, `transforms.a.negate` (KIP-66, KIP-585). */
import { configSpec, option, unknownKeys } from '../config-spec.ts'
import type { ConfigSpec, RawConfig } from '../config-spec.ts'
import type { ConnectRecord } from '../connect-record.ts'
import type { Log, Predicate, Transform } from '../connector.ts'
import { configError, describeError } from '../errors.ts'
import type { PluginRegistry } from './plugin-registry.ts'

/** Changes or drops (null) a record. */
export interface TransformChain {
  apply<R extends ConnectRecord>(record: R): R | null
  close(): void
}

interface Link {
  readonly transform: Transform
  readonly predicate: Predicate | null
  readonly isNegated: boolean
}

/** What belongs to the place in the chain rather than to the transform. */
export const linkConfig = configSpec({
  'type': option.class({ doc: 'Class of the transform.' }),
  'plugin.version': option.string({ doc: 'Version of the transform.', default: null }),
  'predicate': option.string({ doc: 'Alias of the predicate that decides whether it applies.', default: null }),
  'negate': option.boolean({ doc: 'Whether it applies where the predicate does not hold.', default: false }),
})
export const predicateLinkConfig = configSpec({
  'type': option.class({ doc: 'Class of the predicate.' }),
  'plugin.version': option.string({ doc: 'Version of the predicate.', default: null }),
})

/** null: the connector has none. @throws INVALID_CONFIG with every complaint, each under its key; PLUGIN_NOT_FOUND */
export function createTransformChain(registry: PluginRegistry, config: RawConfig, log?: Log): TransformChain | null {
  const aliases = namesIn(config['transforms'])
  const complaints: string[] = []
  const collect = <T>(step: () => T): T | undefined => {
    try {
      return step()
    } catch (error) {
      complaints.push(describeError(error))
      return undefined
    }
  }
  const predicates = new Map(namesIn(config['predicates']).map((alias) => [alias, collect(() => createPredicate(registry, alias, config))]))
  const links = aliases.flatMap((alias) => collect(() => createLink(registry, alias, config, { predicates, log })) ?? [])
  complaints.push(...straySettings('transforms', aliases, config), ...straySettings('predicates', [...predicates.keys()], config))
  if (complaints.length > 0) throw configError(complaints.join('\n'))
  return links.length === 0 ? null : chainOf(links)
}

function chainOf(links: readonly Link[]): TransformChain {
  return {
    apply<R extends ConnectRecord>(record: R): R | null {
      let current: R | null = record
      for (const { transform, predicate, isNegated } of links) {
        if (predicate !== null && predicate.test(current) === isNegated) continue
        current = transform.apply(current)
        if (current === null) return null
      }
      return current
    },
    close() {
      for (const { transform, predicate } of links) {
        transform.close?.()
        predicate?.close?.()
      }
    },
  }
}

interface LinkSurroundings {
  readonly predicates: ReadonlyMap<string, Predicate | undefined>
  readonly log: Log | undefined
}

function createLink(registry: PluginRegistry, alias: string, config: RawConfig, { predicates, log }: LinkSurroundings): Link {
  const prefix = `transforms.${alias}.`
  const raw = under(prefix, config)
  const { type, predicate: predicateAlias, negate } = parseUnder(prefix, linkConfig, raw)
  const plugin = registry.transform(type)
  const transform = plugin.create(parseUnder(prefix, plugin.config, raw, [linkConfig]), log)
  if (predicateAlias !== null && !predicates.has(predicateAlias)) {
    throw configError(`Invalid value ${predicateAlias} for configuration ${prefix}predicate: there is no such predicate; name it in "predicates"`)
  }
  return { transform, isNegated: negate, predicate: predicateAlias === null ? null : (predicates.get(predicateAlias) ?? null) }
}

function createPredicate(registry: PluginRegistry, alias: string, config: RawConfig): Predicate {
  const prefix = `predicates.${alias}.`
  const raw = under(prefix, config)
  const plugin = registry.predicate(parseUnder(prefix, predicateLinkConfig, raw).type)
  return plugin.create(parseUnder(prefix, plugin.config, raw, [predicateLinkConfig]))
}

/** Complaints name the whole key. With `others`, keys that neither spec knows are complained of. */
function parseUnder<C>(prefix: string, spec: ConfigSpec<C>, raw: RawConfig, others?: readonly ConfigSpec<unknown>[]): C {
  const unknown = others === undefined ? [] : [...unknownKeys(raw, [...others, spec]).values()].map((each) => each.replace('Unknown configuration "', `Unknown configuration "${prefix}`))
  const wrong = spec.check(raw).flatMap(({ name, errors }) => errors.map((each) => each.replace(`configuration ${name}`, `configuration ${prefix}${name}`).replace(`configuration "${name}"`, `configuration "${prefix}${name}"`)))
  if (unknown.length + wrong.length > 0) throw configError([...unknown, ...wrong].join('\n'))
  return spec.parse(raw)
}

/** Settings of an alias that is not in the list would be ignored without a word. */
function straySettings(kind: 'transforms' | 'predicates', aliases: readonly string[], config: RawConfig): readonly string[] {
  const stray = Object.keys(config).filter((key) => key.startsWith(`${kind}.`)).map((key) => key.slice(kind.length + 1).split('.')[0]!).filter((alias) => !aliases.includes(alias))
  return [...new Set(stray)].map((alias) => `Settings for "${kind}.${alias}" stand in the configuration, but "${kind}" does not name it`)
}

function namesIn(list: string | null | undefined): readonly string[] {
  return (list ?? '').split(',').map((name) => name.trim()).filter((name) => name !== '')
}

function under(prefix: string, config: RawConfig): RawConfig {
  return Object.fromEntries(Object.entries(config).filter(([key]) => key.startsWith(prefix)).map(([key, value]) => [key.slice(prefix.length), value]))
}
