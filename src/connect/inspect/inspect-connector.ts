import { isStreamError } from '../../core/index.ts'
import type { RawConfig } from '../config-spec.ts'
import { Secrets } from '../config-providers/secrets.ts'
import type { AnyPlugin, ConnectorPlugin } from '../connector.ts'
import { describeError } from '../errors.ts'
import { checkConnectorConfig, checkWorkerConfig } from '../runtime/check-config.ts'
import type { CheckContext } from '../runtime/check-config.ts'
import { chosenConverter } from '../runtime/codec-config.ts'
import type { NamedConfig } from '../runtime/connector-config.ts'
import { silentLog } from '../runtime/log.ts'
import { PluginRegistry } from '../runtime/plugin-registry.ts'
import { baseSpec } from '../runtime/validate-connector.ts'

export interface InspectOptions {
  /** The worker's config, as in its file. Default: the defaults of every key. */
  readonly worker?: RawConfig
  /** Further plugins as objects. */
  readonly plugins?: readonly AnyPlugin[]
}

export interface ExplainedOption {
  readonly name: string
  /** As text, secrets hidden; null: not set. */
  readonly value: string | null
  readonly isGiven: boolean
  readonly doc: string
}

export interface ExplainedConverter {
  readonly role: 'key' | 'value' | 'header'
  readonly class: string
  readonly from: 'connector' | 'worker' | 'default'
}

export interface ExplainedTransform {
  readonly alias: string
  readonly class: string
  /** Whether it applies always, or only where a predicate holds or does not hold. */
  readonly when: string
}

/** What a config means, without a worker and without running anything. */
export interface Inspection {
  readonly name: string
  /** null: there is no such connector. */
  readonly plugin: Pick<ConnectorPlugin, 'class' | 'type' | 'version' | 'doc'> | null
  /** What is wrong with it; empty: a worker takes it. */
  readonly complaints: readonly string[]
  /** What is allowed and often not meant. */
  readonly hints: readonly string[]
  readonly options: readonly ExplainedOption[]
  readonly converters: readonly ExplainedConverter[]
  /** In the order they run. */
  readonly transforms: readonly ExplainedTransform[]
}

/** What checks of a config need; made without a worker. @throws INVALID_CONFIG for the worker's config */
export async function openCheck({ worker: written = {}, plugins = [] }: InspectOptions): Promise<CheckContext> {
  const secrets = Secrets.from(written)
  const worker = secrets.resolve(written)
  const registry = new PluginRegistry({ plugins, modules: checkWorkerConfig(worker)['plugin.path'] })
  await registry.loadGiven()
  return { registry, worker, secrets, resolve: (config) => secrets.resolve(config), clusterGroup: null, log: silentLog }
}

/**
 * Everything that can be said about a connector's config before it runs: what `millrace connect validate` and `explain` print.
 * A connector's own checks, such as a login, are made.
 * @throws INVALID_CONFIG for the worker's config
 */
export async function inspectConnector(named: NamedConfig, options: InspectOptions = {}): Promise<Inspection> {
  const context = await openCheck(options)
  const complaints = await complaintsOf(named, context)
  const nothing = { name: named.name, plugin: null, complaints, hints: [], options: [], converters: [], transforms: [] }
  const raw = tryResolve({ ...named.config, name: named.name }, context)
  if (raw === undefined) return nothing
  const plugin = await tryFind(raw, context)
  if (plugin === undefined) return nothing
  return {
    ...nothing,
    plugin: { class: plugin.class, type: plugin.type, version: plugin.version, ...(plugin.doc !== undefined && { doc: plugin.doc }) },
    hints: hintsOf(raw, context.worker),
    options: optionsOf(plugin, raw, named.config),
    converters: (['key', 'value', 'header'] as const).map((role) => ({ role, ...chosenConverter(role, { connector: raw, worker: context.worker }, context.registry) })),
    transforms: transformsOf(raw, context),
  }
}

async function complaintsOf(named: NamedConfig, context: CheckContext): Promise<readonly string[]> {
  try {
    await checkConnectorConfig(named, context)
    return []
  } catch (error) {
    const listed = isStreamError(error) ? error.details['complaints'] : undefined
    return Array.isArray(listed) ? listed.map(String) : [context.secrets.redact(describeError(error))]
  }
}

function tryResolve(config: RawConfig, context: CheckContext): RawConfig | undefined {
  try {
    return context.resolve(config)
  } catch {
    return undefined
  }
}

async function tryFind(raw: RawConfig, { registry }: CheckContext): Promise<ConnectorPlugin | undefined> {
  try {
    return (await registry.connector(raw['connector.class'] ?? '', raw['connector.plugin.version'] ?? undefined)).plugin
  } catch {
    return undefined
  }
}

/** A value that came from a config provider is shown as it was written. */
function optionsOf(plugin: ConnectorPlugin, raw: RawConfig, written: RawConfig): readonly ExplainedOption[] {
  const specs = [plugin.config, baseSpec(plugin)]
  const seen = new Set<string>()
  return specs.flatMap((spec) => spec.check(raw).flatMap(({ name, text }) => {
    if (seen.has(name)) return []
    seen.add(name)
    const isSecret = written[name] !== undefined && written[name] !== raw[name]
    return [{ name, value: isSecret ? written[name]! : text, isGiven: (written[name] ?? null) !== null, doc: spec.options[name]!.settings.doc }]
  }))
}

/** A converter of the connector's own does not inherit the worker's settings: upstream's rule, and a classic trap. */
function hintsOf(raw: RawConfig, worker: RawConfig): readonly string[] {
  return (['key', 'value', 'header'] as const).flatMap((role) => {
    const prefix = `${role}.converter.`
    if ((raw[`${role}.converter`] ?? null) === null) return []
    const lost = Object.keys(worker).filter((key) => key.startsWith(prefix) && raw[key] === undefined)
    return lost.map((key) => `${role}.converter is set here, so the worker's ${key}=${worker[key]} does not apply to it; set it here too if it should`)
  })
}

function transformsOf(raw: RawConfig, { registry }: CheckContext): readonly ExplainedTransform[] {
  const aliases = (raw['transforms'] ?? '').split(',').map((alias) => alias.trim()).filter((alias) => alias !== '')
  return aliases.map((alias) => {
    const predicate = raw[`transforms.${alias}.predicate`] ?? null
    const verb = raw[`transforms.${alias}.negate`]?.trim().toLowerCase() === 'true' ? 'unless' : 'if'
    const type = raw[`transforms.${alias}.type`] ?? ''
    return { alias, class: registry.transforms().find((each) => each.class.endsWith(type))?.class ?? type, when: predicate === null ? 'always' : `${verb} ${predicate} (${raw[`predicates.${predicate}.type`] ?? 'unknown'})` }
  })
}
