/** Upstream's validation of a connector's config, for its REST API and for everything else that takes one. */
import { StreamError } from '../../core/index.ts'
import { configSpec, option } from '../config-spec.ts'
import type { ConfigSpec, RawConfig } from '../config-spec.ts'
import type { ConnectorPlugin } from '../connector.ts'
import { describeError } from '../errors.ts'
import { clientKey } from './client-keys.ts'
import type { Client } from './client-keys.ts'
import { chosenClass, kindsOf, versionComplaint } from './chosen-class.ts'
import { sinkGroup } from './client-settings.ts'
import { answerOf, configInfos, inOrder, under, unknownInfo } from './config-infos.ts'
import type { ConfigInfo, ConfigInfos, KnownHere, KnownInfo } from './config-infos.ts'
import { commonConfig, sinkConfig, sourceConfig } from './connector-config.ts'
import type { SinkConfig, SourceConfig } from './connector-config.ts'
import type { InstalledPlugin, PluginRegistry } from './plugin-registry.ts'
import { isExactlyOnce } from './run-task.ts'
import { linkConfig, predicateLinkConfig } from './transform-chain.ts'
import { workerConfig } from './worker-config.ts'

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
  const wantedVersion = raw['connector.plugin.version'] ?? null
  const installed = await registry.connector(className, wantedVersion ?? undefined).catch(async (error: unknown) => {
    if (wantedVersion === null) throw error
    return registry.connector(className)
  })
  await registry.loadGiven()
  const { class: whole } = installed.plugin
  const complaint = versionComplaint(whole, wantedVersion, registry.versionsOf(whole))
  if (complaint !== null) return { installed, infos: answerOf(className, configInfos(commonConfig, raw, wrongVersion(installed.plugin, complaint, registry))) }
  const configs = [
    ...withoutNulls(configInfos(baseSpec(installed.plugin), raw, knownOf(installed.plugin, raw, context)), raw, installed.plugin.config),
    ...aliasInfos(transformAliases, raw, registry),
    ...aliasInfos(predicateAliases, raw, registry),
    ...(await ownInfos(installed.plugin, raw)),
  ]
  const converters = (['key', 'value', 'header'] as const).flatMap((role) => converterInfos(role, raw, configs, registry))
  return { installed, infos: answerOf(className, [...configs, ...converters, ...groupClash(raw, installed.plugin.type, context.clusterGroup), ...overrideInfos(raw, context.worker, installed.plugin.type)]) }
}

const nullComplaint = 'Null value can not be supplied as the configuration value.'

/** Upstream refuses null, but not in the options of the connector's own. */
function withoutNulls(base: readonly KnownInfo[], raw: RawConfig, own: Pick<ConfigSpec<unknown>, 'options'>): readonly ConfigInfo[] {
  const isNull = (name: string) => Object.hasOwn(raw, name) && raw[name] === null
  const known = new Set([...base.map(({ value }) => value.name), ...Object.keys(own.options)])
  return [
    ...base.map((info) => (isNull(info.value.name) ? { ...info, value: { ...info.value, errors: [...info.value.errors.filter((each) => !each.startsWith('Missing')), nullComplaint] } } : info)),
    ...Object.keys(raw).filter((name) => isNull(name) && !known.has(name)).map((name) => unknownInfo(name, null, [nullComplaint])),
  ]
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
  return { ...(isClash && { name: clash }), ...(clusterGroup !== null && exactlyOnceKnown(plugin, raw, worker)), 'connector.plugin.version': version, ...converterKnown('key', raw, worker, registry), ...converterKnown('value', raw, worker, registry), ...converterKnown('header', raw, worker, registry) }
}

/** As upstream, what a source promises is looked at in a cluster only. */
function exactlyOnceKnown(plugin: ConnectorPlugin, raw: RawConfig, worker: RawConfig): Readonly<Record<string, KnownHere>> {
  if (plugin.type !== 'source') return {}
  const has = (key: string, word: string) => raw[key]?.trim().toLowerCase() === word
  const isPromised = (of: 'supportsExactlyOnce' | 'definesTransactions') => complaintsOf(() => {
    if (plugin.createConnector()[of]?.(plugin.config.parse(raw)) !== true) throw new StreamError('INVALID_CONFIG', of)
  }).length === 0
  const support = () => [
    ...(isExactlyOnce(workerConfig.parse(worker)) ? [] : ['This worker does not have exactly-once source support enabled.']),
    ...(isPromised('supportsExactlyOnce') ? [] : ['The connector does not support exactly-once semantics with the provided configuration.']),
  ]
  const boundary = () => (isPromised('definesTransactions') ? [] : ['The connector does not support connector-defined transaction boundaries with the given configuration. Please reconfigure it to use a different transaction boundary definition.'])
  return {
    ...(has('exactly.once.support', 'required') && { 'exactly.once.support': { errors: support() } }),
    ...(has('transaction.boundary', 'connector') && { 'transaction.boundary': { errors: boundary() } }),
  }
}

/** Of a connector that there is, but not in the version that is wanted. */
function wrongVersion(plugin: ConnectorPlugin, complaint: string, registry: PluginRegistry): Readonly<Record<string, KnownHere>> {
  const hidden = Object.fromEntries(['key', 'value', 'header'].map((role) => [`${role}.converter.plugin.version`, { visible: false }]))
  return { ...hidden, 'connector.class': { errors: [complaint] }, 'connector.plugin.version': { default: plugin.version, recommended: registry.versionsOf(plugin.class), errors: [complaint] } }
}

type Role = 'key' | 'value' | 'header'

/** Of a class that there is none of. */
const noVersion: KnownHere = { default: null, recommended: [], visible: false }

function converterKnown(role: Role, raw: RawConfig, worker: RawConfig, registry: PluginRegistry): Readonly<Record<string, KnownHere>> {
  const key = `${role}.converter`
  const kind = role === 'header' ? 'headerConverters' : 'converters'
  const { all, find } = kindsOf(registry)[kind]
  const inherited = find(worker[key] ?? (role === 'header' ? 'SimpleHeaderConverter' : 'JsonConverter')).class
  const isNull = Object.hasOwn(raw, key) && raw[key] === null
  const own = chosenClass({ key, name: raw[key] ?? inherited, version: raw[`${key}.plugin.version`] ?? null, kind }, registry)
  return {
    [key]: { default: inherited, recommended: all().map((each) => each.class).toSorted(), ...own.known, ...(isNull && { value: null }) },
    [`${key}.plugin.version`]: own.known.value === null ? noVersion : { ...own.version, ...(isNull && { visible: false }) },
  }
}

// ------------------------------------------------------------------------------------------------ transforms and predicates

interface AliasKind {
  readonly list: 'transforms' | 'predicates'
  readonly title: string
  readonly noun: string
  readonly link: ConfigSpec<unknown>
}

const transformAliases: AliasKind = { list: 'transforms', title: 'Transforms', noun: 'Transformation', link: linkConfig }
const predicateAliases: AliasKind = { list: 'predicates', title: 'Predicates', noun: 'Predicate', link: predicateLinkConfig }

function aliasInfos(kind: AliasKind, raw: RawConfig, registry: PluginRegistry): readonly KnownInfo[] {
  const list = (raw[kind.list] ?? '').trim()
  const aliases = new Set(list === '' ? [] : list.split(',').map((alias) => alias.trim()))
  return [...aliases].flatMap((alias) => {
    const prefix = `${kind.list}.${alias}.`
    const own: RawConfig = Object.fromEntries(Object.entries(raw).filter(([key]) => key.startsWith(prefix)).map(([key, value]) => [key.slice(prefix.length), value]))
    return under(prefix, membersOf(kind, alias, own, registry), `${kind.title}: ${alias}`)
  })
}

/** Its class and version first, then what the place in the chain and the class take. */
function membersOf(kind: AliasKind, alias: string, own: RawConfig, registry: PluginRegistry): readonly KnownInfo[] {
  const prefix = `${kind.list}.${alias}.`
  const type = own['type'] ?? null
  const { plugin, known = {}, version = {} } = type === null ? {} : chosenClass({ key: `${prefix}type`, name: type, version: own['plugin.version'] ?? null, kind: kind.list }, registry)
  const head = configSpec({
    'type': option.class({ doc: `Class of the ${kind.noun.toLowerCase()}.`, importance: 'high', width: 'long', displayName: `${kind.noun} type for ${alias}` }),
    'plugin.version': option.string({ doc: `Version of the ${kind.noun.toLowerCase()}.`, default: null, importance: 'high', width: 'long', displayName: `${kind.noun} version for ${alias}` }),
  })
  const first = configInfos(head, own, { 'type': { recommended: kindsOf(registry)[kind.list].all().map((each) => each.class).toSorted(), ...known }, 'plugin.version': version }, prefix)
  if (plugin === undefined) return first
  const link = configInfos(kind.link, own, {}, prefix).filter(({ value }) => value.name !== 'type' && value.name !== 'plugin.version')
  const negatesNothing = kind.list === 'transforms' && own['negate'] != null && own['predicate'] == null
  const members = inOrder([...link, ...configInfos(plugin.config, own, {}, prefix)])
  if (!negatesNothing) return [...first, ...members]
  const complaint = `Config '${prefix}negate' was provided but there is no config '${prefix}predicate' defining a predicate to be negated.`
  return [...first.map((info) => (info.value.name === 'type' ? { ...info, value: { ...info.value, errors: [...info.value.errors, complaint] } } : info)), ...members]
}

// ------------------------------------------------------------------------------------------------ what the classes say themselves

/** The connector's own options, and what it finds when it looks at all of them. */
async function ownInfos(plugin: ConnectorPlugin, raw: RawConfig): Promise<readonly KnownInfo[]> {
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

/** Settings of the clients that the connector uses, as `connector.client.config.override.policy` of the worker allows them (KIP-458). */
function overrideInfos(raw: RawConfig, worker: RawConfig, type: ConnectorPlugin['type']): readonly ConfigInfo[] {
  const policy = worker['connector.client.config.override.policy'] ?? 'All'
  const isAllowed = (key: string) => policy === 'All' || (policy === 'Principal' && principalKeys.test(key))
  const used = clientsOf(raw, type)
  return Object.keys(raw).flatMap((name): readonly ConfigInfo[] => {
    const [prefix, client] = overridePrefix.exec(name) ?? []
    if (prefix === undefined || !used.has(client as Client)) return []
    const key = name.slice(prefix.length)
    const errors = isAllowed(key) ? [] : [`The '${policy}' policy does not allow '${key}' to be overridden in the connector configuration.`]
    const known = clientKey(client as Client, key)
    return known === undefined ? [unknownInfo(name, raw[name]!, errors)] : under(prefix, configInfos(configSpec({ [key]: known }), { [key]: raw[name]! }, { [key]: { errors } }))
  })
}

/** Which clients a connector has: of dead letters and of topics that are made, too. */
function clientsOf(raw: RawConfig, type: ConnectorPlugin['type']): ReadonlySet<Client> {
  const hasDeadLetters = (raw['errors.deadletterqueue.topic.name'] ?? '').trim() !== ''
  const makesTopics = Object.keys(raw).some((name) => name.startsWith('topic.creation.'))
  return new Set<Client>(type === 'source' ? ['producer', ...(makesTopics ? ['admin'] as const : [])] : ['consumer', ...(hasDeadLetters ? ['producer', 'admin'] as const : [])])
}

/** As upstream, beside what the key itself is told of. */
function groupClash(raw: RawConfig, type: ConnectorPlugin['type'], clusterGroup: string | null): readonly ConfigInfo[] {
  const [name, group] = ['consumer.override.group.id', raw['consumer.override.group.id'] ?? null]
  return type === 'sink' && group !== null && group === clusterGroup ? [unknownInfo(name, group, [`Consumer group ${group} conflicts with Connect worker group ${group}`])] : []
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
