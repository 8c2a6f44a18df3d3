/**
 * Topic configs under Kafka's names, with Kafka's defaults, bounds and error texts (recorded from 4.3.1). Every key that
 * Kafka knows is described; what it is set to has its effect, or is refused by name.
 */
import { StreamError } from '../errors.ts'
import type { ConfigEntry } from '../broker.ts'
import { didYouMean } from '../nearest-name.ts'

type ConfigDefinition =
  | { readonly type: 'int' | 'long'; readonly default: string; readonly min: number }
  | { readonly type: 'double'; readonly default: string; readonly min: number; readonly max: number }
  | { readonly type: 'boolean'; readonly default: string }
  | { readonly type: 'choice'; readonly default: string; readonly choices: readonly string[] }
  /** A comma-separated list; without choices anything goes. */
  | { readonly type: 'list'; readonly default: string; readonly choices?: readonly string[] }

const maxLong = '9223372036854775807'
const dayMs = 86_400_000

const long = (defaultValue: string | number, min: number): ConfigDefinition => ({ type: 'long', default: String(defaultValue), min })
const int = (defaultValue: number, min: number): ConfigDefinition => ({ type: 'int', default: String(defaultValue), min })
const boolean = (defaultValue: boolean): ConfigDefinition => ({ type: 'boolean', default: String(defaultValue) })

/** Sorted by name, as they are described. */
export const topicConfigDefinitions: Readonly<Record<string, ConfigDefinition>> = {
  'cleanup.policy': { type: 'list', default: 'delete', choices: ['compact', 'delete'] },
  'compression.gzip.level': int(-1, -1),
  'compression.lz4.level': int(9, 1),
  'compression.type': { type: 'choice', default: 'producer', choices: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'] },
  'compression.zstd.level': int(3, -131_072),
  'delete.retention.ms': long(dayMs, 0),
  'file.delete.delay.ms': long(60_000, 0),
  'flush.messages': long(maxLong, 1),
  'flush.ms': long(maxLong, 0),
  'follower.replication.throttled.replicas': { type: 'list', default: '' },
  'index.interval.bytes': int(4096, 0),
  'leader.replication.throttled.replicas': { type: 'list', default: '' },
  'local.retention.bytes': long(-2, -2),
  'local.retention.ms': long(-2, -2),
  'max.compaction.lag.ms': long(maxLong, 1),
  'max.message.bytes': int(1_048_588, 0),
  'message.timestamp.after.max.ms': long(3_600_000, 0),
  'message.timestamp.before.max.ms': long(maxLong, 0),
  'message.timestamp.type': { type: 'choice', default: 'CreateTime', choices: ['CreateTime', 'LogAppendTime'] },
  'min.cleanable.dirty.ratio': { type: 'double', default: '0.5', min: 0, max: 1 },
  'min.compaction.lag.ms': long(0, 0),
  'min.insync.replicas': int(1, 1),
  preallocate: boolean(false),
  'remote.log.copy.disable': boolean(false),
  'remote.log.delete.on.disable': boolean(false),
  'remote.storage.enable': boolean(false),
  'retention.bytes': long(-1, -1),
  'retention.ms': long(7 * dayMs, -1),
  'segment.bytes': int(1024 * 1024 * 1024, 1024 * 1024),
  'segment.index.bytes': int(10 * 1024 * 1024, 4),
  'segment.jitter.ms': long(0, 0),
  'segment.ms': long(7 * dayMs, 1),
  'unclean.leader.election.enable': boolean(false),
}

/**
 * What has no effect on one copy of a log in one process: only the value that says so is taken, because a setting that is
 * silently ignored is a promise that is broken. (`file.delete.delay.ms` is kept as the most that Kafka makes of it: files go
 * at once, and readers that have them open go on.)
 */
const onlyValues: Readonly<Record<string, { readonly value: string; readonly why: string }>> = {
  'compression.gzip.level': { value: '-1', why: 'gzip is written at its default level' },
  'compression.lz4.level': { value: '9', why: 'lz4 has one level here' },
  'compression.zstd.level': { value: '3', why: 'zstd is written at its default level' },
  'follower.replication.throttled.replicas': { value: '', why: 'nothing is replicated here; replication is what the Kafka backend is for' },
  'leader.replication.throttled.replicas': { value: '', why: 'nothing is replicated here; replication is what the Kafka backend is for' },
  'local.retention.bytes': { value: '-2', why: 'there is no tiered storage here' },
  'local.retention.ms': { value: '-2', why: 'there is no tiered storage here' },
  'min.insync.replicas': { value: '1', why: 'the embedded engine keeps one copy; replication is what the Kafka backend is for' },
  preallocate: { value: 'false', why: 'segments grow as they are written here' },
  'remote.log.copy.disable': { value: 'false', why: 'there is no tiered storage here' },
  'remote.log.delete.on.disable': { value: 'false', why: 'there is no tiered storage here' },
  'remote.storage.enable': { value: 'false', why: 'there is no tiered storage here' },
  'unclean.leader.election.enable': { value: 'false', why: 'there is one copy and no election here' },
}

/** Kafka's hidden way below the minimum of `segment.bytes`, for tests that need several segments; never described. */
const hiddenDefinitions: Readonly<Record<string, ConfigDefinition>> = { 'internal.segment.bytes': int(-1, 14) }

/** What a topic set, validated; only keys that differ from "not set". */
export type TopicConfigs = Readonly<Record<string, string>>

/** Checks what a user gave. @throws INVALID_CONFIG with the nearest known key, or what the value may be */
export function validateTopicConfigs(configs: Readonly<Record<string, string>>): TopicConfigs {
  for (const [name, value] of Object.entries(configs)) validateEntry(name, value)
  const minLag = numberConfig(configs, 'min.compaction.lag.ms')
  const maxLag = numberConfig(configs, 'max.compaction.lag.ms')
  if (minLag > maxLag) throw invalid('min.compaction.lag.ms', `conflict topic config setting min.compaction.lag.ms (${minLag}) > max.compaction.lag.ms (${maxLag})`)
  return configs
}

/** Every config with its effective value. */
export function describeTopicConfigs(configs: TopicConfigs): readonly ConfigEntry[] {
  return Object.entries(topicConfigDefinitions).map(([name, definition]) => {
    const value = configs[name]
    return value === undefined ? { name, value: definition.default, source: 'default' } : { name, value, source: 'topic' }
  })
}

/** The effective value; Kafka's largest long stands for "no limit" and becomes Infinity. */
export function numberConfig(configs: TopicConfigs, name: string): number {
  const value = textConfig(configs, name)
  return value === maxLong ? Infinity : Number(value)
}

export function textConfig(configs: TopicConfigs, name: string): string {
  return configs[name] ?? (topicConfigDefinitions[name] ?? hiddenDefinitions[name])!.default
}

/** The items of a list, such as the policies of `cleanup.policy`. */
export function listConfig(configs: TopicConfigs, name: string): readonly string[] {
  return itemsOf(textConfig(configs, name))
}

function itemsOf(value: string): readonly string[] {
  return value.split(',').map((item) => item.trim()).filter((item) => item !== '')
}

function validateEntry(name: string, value: unknown): void {
  const definition = topicConfigDefinitions[name] ?? hiddenDefinitions[name]
  if (definition === undefined) throw invalid(name, `Unknown topic config name: ${name}${didYouMean(name, Object.keys(topicConfigDefinitions))}`)
  if (typeof value !== 'string') throw invalid(name, `the value of ${name} must be text, and is ${value === null ? 'null' : typeof value}`)
  const problem = problemWith(definition, value.trim())
  if (problem !== undefined) throw invalid(name, `Invalid value ${value} for configuration ${name}: ${problem}`)
  const only = onlyValues[name]
  if (only !== undefined && value.trim().toLowerCase() !== only.value) throw invalid(name, `${name}=${value} is not possible on the embedded engine: ${only.why}; leave it out, or use ${JSON.stringify(only.value)}`)
}

/** What programs written for clusters ask of replicas, brought to the one copy there is. */
export function clampReplicas(configs: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return 'min.insync.replicas' in configs ? { ...configs, 'min.insync.replicas': '1' } : configs
}

function problemWith(definition: ConfigDefinition, value: string): string | undefined {
  switch (definition.type) {
    case 'int':
    case 'long':
      if (!/^[+-]?\d+$/.test(value)) return `Not a number of type ${definition.type.toUpperCase()}`
      return Number(value) < definition.min ? `Value must be at least ${definition.min}` : undefined
    case 'double':
      if (value === '' || Number.isNaN(Number(value))) return 'Not a number of type DOUBLE'
      if (Number(value) < definition.min) return `Value must be at least ${definition.min}`
      return Number(value) > definition.max ? `Value must be no more than ${definition.max}` : undefined
    case 'boolean':
      return /^(true|false)$/i.test(value) ? undefined : 'Expected value to be either true or false'
    case 'choice':
      return definition.choices.includes(value) ? undefined : `String must be one of: ${definition.choices.join(', ')}`
    case 'list': {
      const choices = definition.choices
      return choices === undefined || itemsOf(value).every((item) => choices.includes(item)) ? undefined : `String must be one of: ${choices.join(', ')}`
    }
  }
}

function invalid(name: string, message: string): StreamError {
  return new StreamError('INVALID_CONFIG', message, { details: { config: name } })
}
