/** Upstream's validation of a connector's config, for its REST API and for everything else that takes one. */
import { StreamError } from '../../core/index.ts'
import { configSpec, option } from '../config-spec.ts'
import type { ConfigSpec, RawConfig } from '../config-spec.ts'
import type { ConnectorPlugin } from '../connector.ts'
import { describeError } from '../errors.ts'
import { sinkGroup } from './client-settings.ts'
import { answerOf, configInfos, under, withPrefix } from './config-infos.ts'
import type { ConfigInfo, ConfigInfos, KnownHere } from './config-infos.ts'
import { sinkConfig, sourceConfig } from './connector-config.ts'
import type { SinkConfig, SourceConfig } from './connector-config.ts'
import type { InstalledPlugin, PluginRegistry } from './plugin-registry.ts'
import { linkConfig, predicateLinkConfig } from './transform-chain.ts'

export interface ValidationContext {
  readonly registry: PluginRegistry
  /** The worker's config, secrets filled in: connectors inherit its converters. */
  readonly worker: RawConfig
  readonly resolve: (config: RawConfig) => RawConfig
  /** The group of the workers of a cluster, which is none for a sink; null: the worker has no group. */
  readonly clusterGroup: string | null
}

export interface Validated {
  readonly installed: InstalledPlugin<ConnectorPlugin>
  readonly infos: ConfigInfos
}

/** A config that cannot be looked at at all. */
function unusable(message: string): StreamError {
  return new StreamError('INVALID_CONFIG', message, { details: { key: 'connector.class' } })
}

/**
 * Every key with its value and what is wrong with it; keys that nobody knows are left out, as upstream.
 * @throws INVALID_CONFIG when no connector is named, PLUGIN_NOT_FOUND when there is none of that name
 */
export async function validateConnector(written: RawConfig, context: ValidationContext): Promise<Validated> {
  const { registry } = context
  const raw = context.resolve(written)
  const className = raw['connector.class'] ?? ''
  if (className === '') throw unusable(`Connector config ${javaMapText(written)} contains no connector type`)
  const installed = await registry.connector(className, raw['connector.plugin.version'] ?? undefined)
  await registry.loadGiven()
  const configs = [
    ...configInfos(baseSpec(installed.plugin), raw, knownOf(installed.plugin, raw, context)),
    ...aliasInfos(transformAliases, raw, registry),
    ...aliasInfos(predicateAliases, raw, registry),
    ...(await ownInfos(installed.plugin, raw)),
  ]
  const converters = (['key', 'value', 'header'] as const).flatMap((role) => converterInfos(role, raw, configs, registry))
  return { installed, infos: answerOf(className, [...configs, ...converters, ...overrideInfos(raw, context.worker, installed.plugin.type === 'sink' ? context.clusterGroup : null)]) }
}

export function baseSpec(plugin: ConnectorPlugin): ConfigSpec<SourceConfig | SinkConfig> {
  return plugin.type === 'source' ? sourceConfig : sinkConfig
}

/** `{a=1, b=2}`: tools match on the sentences around it. */
function javaMapText(config: RawConfig): string {
  return `{${Object.entries(config).map(([key, value]) => `${key}=${String(value)}`).join(', ')}}`
}

// ------------------------------------------------------------------------------------------------ the options of every connector

function knownOf(plugin: ConnectorPlugin, raw: RawConfig, { registry, worker, clusterGroup }: ValidationContext): Readonly<Record<string, KnownHere>> {
  const version: KnownHere = { default: plugin.version, recommended: registry.versionsOf(plugin.class) }
  const name = raw['name'] ?? ''
  const isClash = plugin.type === 'sink' && raw['consumer.override.group.id'] == null && clusterGroup === sinkGroup(name, raw)
  const clash: KnownHere = { errors: [`Consumer group for sink connector named ${name} conflicts with Connect worker group ${clusterGroup}`] }
  return { ...(isClash && { name: clash }), 'connector.plugin.version': version, ...converterKnown('key', raw, worker, registry), ...converterKnown('value', raw, worker, registry), ...converterKnown('header', raw, worker, registry) }
}

type Role = 'key' | 'value' | 'header'

function converterKnown(role: Role, raw: RawConfig, worker: RawConfig, registry: PluginRegistry): Readonly<Record<string, KnownHere>> {
  const key = `${role}.converter`
  const find = (name: string) => (role === 'header' ? registry.headerConverter(name) : registry.converter(name))
  const inherited = find(worker[key] ?? (role === 'header' ? 'SimpleHeaderConverter' : 'JsonConverter')).class
  const own = classKnown(key, raw[key] ?? null, find)
  const all = role === 'header' ? registry.headerConverters() : registry.converters()
  const version = find(own.value ?? inherited).version
  return {
    [key]: { default: inherited, recommended: all.map((each) => each.class).toSorted(), ...own },
    [`${key}.plugin.version`]: { default: version, recommended: [version] },
  }
}

/** The whole name of the class, or a complaint. */
function classKnown(key: string, name: string | null, find: (name: string) => { readonly class: string }): KnownHere {
  if (name === null) return {}
  try {
    return { value: find(name.trim()).class }
  } catch {
    return { value: null, errors: [`Invalid value ${name} for configuration ${key}: Class ${name} could not be found.`] }
  }
}

// ------------------------------------------------------------------------------------------------ transforms and predicates

interface AliasKind {
  readonly list: 'transforms' | 'predicates'
  readonly title: string
  readonly noun: string
  readonly link: ConfigSpec<unknown>
  readonly all: (registry: PluginRegistry) => readonly AliasPlugin[]
}

interface AliasPlugin {
  readonly class: string
  readonly version: string
  readonly config: ConfigSpec<unknown>
}

const transformAliases: AliasKind = { list: 'transforms', title: 'Transforms', noun: 'Transformation', link: linkConfig, all: (registry) => registry.transforms() }
const predicateAliases: AliasKind = { list: 'predicates', title: 'Predicates', noun: 'Predicate', link: predicateLinkConfig, all: (registry) => registry.predicates() }

function aliasInfos(kind: AliasKind, raw: RawConfig, registry: PluginRegistry): readonly ConfigInfo[] {
  const aliases = new Set((raw[kind.list] ?? '').split(',').map((alias) => alias.trim()).filter((alias) => alias !== ''))
  return [...aliases].flatMap((alias) => {
    const prefix = `${kind.list}.${alias}.`
    const own: RawConfig = Object.fromEntries(Object.entries(raw).filter(([key]) => key.startsWith(prefix)).map(([key, value]) => [key.slice(prefix.length), value]))
    return under(prefix, membersOf(kind, alias, own, registry), `${kind.title}: ${alias}`)
  })
}

/** Its class and version first, then what the place in the chain and the class take, by name. */
function membersOf(kind: AliasKind, alias: string, own: RawConfig, registry: PluginRegistry): readonly ConfigInfo[] {
  const all = kind.all(registry)
  const find = (name: string) => (kind.list === 'transforms' ? registry.transform(name) : registry.predicate(name))
  const known = classKnown(`${kind.list}.${alias}.type`, own['type'] ?? null, find)
  const plugin = typeof known.value === 'string' ? find(known.value) : undefined
  const head = configSpec({
    'type': option.class({ doc: `Class of the ${kind.noun.toLowerCase()}.`, importance: 'high', width: 'long', displayName: `${kind.noun} type for ${alias}` }),
    'plugin.version': option.string({ doc: `Version of the ${kind.noun.toLowerCase()}.`, default: null, importance: 'high', width: 'long', displayName: `${kind.noun} version for ${alias}` }),
  })
  const version: KnownHere = plugin === undefined ? {} : { default: plugin.version, recommended: [plugin.version] }
  const first = configInfos(head, own, { 'type': { recommended: all.map((each) => each.class).toSorted(), ...known }, 'plugin.version': version })
  if (plugin === undefined) return first
  const link = configInfos(kind.link, own).filter(({ value }) => value.name !== 'type' && value.name !== 'plugin.version')
  return [...first, ...[...link, ...configInfos(plugin.config, own)].toSorted((a, b) => (a.value.name < b.value.name ? -1 : 1))]
}

// ------------------------------------------------------------------------------------------------ what the classes say themselves

/** The connector's own options, and what it finds when it looks at all of them. */
async function ownInfos(plugin: ConnectorPlugin, raw: RawConfig): Promise<readonly ConfigInfo[]> {
  const infos = configInfos(plugin.config, raw)
  if (infos.some(({ value }) => value.errors.length > 0)) return infos
  const connector = plugin.createConnector()
  if (connector.validate === undefined) return infos
  const complaints = await connector.validate(plugin.config.parse(raw))
  return infos.map(({ definition, value }) => {
    const complaint = Object.hasOwn(complaints, value.name) ? complaints[value.name] : undefined
    return { definition, value: complaint === undefined ? value : { ...value, errors: [complaint] } }
  })
}

/** Of a converter that the connector names itself. */
function converterInfos(role: Role, raw: RawConfig, configs: readonly ConfigInfo[], registry: PluginRegistry): readonly ConfigInfo[] {
  const key = `${role}.converter`
  const chosen = configs.find(({ value }) => value.name === key)?.value
  if ((raw[key] ?? null) === null || chosen?.value == null || chosen.errors.length > 0) return []
  const prefix = `${key}.`
  const own = Object.fromEntries(Object.entries(raw).filter(([name]) => name.startsWith(prefix)).map(([name, value]) => [name.slice(prefix.length), value]))
  const plugin = role === 'header' ? registry.headerConverter(chosen.value) : registry.converter(chosen.value)
  return under(prefix, configInfos(plugin.config, { 'converter.type': role, ...own }))
}

const principalKeys = /^(security\.protocol|sasl\.(jaas\.config|mechanism))$/
const overridePrefix = /^(producer|consumer|admin)\.override\./

/** Settings of the clients, as `connector.client.config.override.policy` of the worker allows them (KIP-458). */
function overrideInfos(raw: RawConfig, worker: RawConfig, forbiddenGroup: string | null): readonly ConfigInfo[] {
  const policy = worker['connector.client.config.override.policy'] ?? 'All'
  const isAllowed = (key: string) => policy === 'All' || (policy === 'Principal' && principalKeys.test(key))
  return Object.keys(raw).filter((name) => overridePrefix.test(name)).flatMap((name) => {
    const prefix = overridePrefix.exec(name)![0]
    const key = name.slice(prefix.length)
    const spec = configSpec({ [key]: option.string({ doc: `${key} of the client.`, default: null }) })
    const refused = isAllowed(key) ? [] : [withPrefix(`The '${policy}' policy does not allow '${key}' to be overridden in the connector configuration.`, key, prefix)]
    const isClash = name === 'consumer.override.group.id' && forbiddenGroup !== null && raw[name] === forbiddenGroup
    const errors = isClash ? [...refused, `Consumer group ${forbiddenGroup} conflicts with Connect worker group ${forbiddenGroup}`] : refused
    return under(prefix, configInfos(spec, { [key]: raw[name] ?? null }, { [key]: { errors } }))
  })
}

/** The complaints of a step that throws them. */
export function complaintsOf(step: () => unknown): readonly string[] {
  try {
    step()
    return []
  } catch (error) {
    return describeError(error).split('\n')
  }
}
