/** Configs of topics as the admin requests describe and change them: what a listener puts around the engine's calls. */
import { StreamError, isStreamError } from '../../../src/core/index.ts'
import { topicConfigDefinitions } from '../../../src/core/engine/topic-config.ts'
import type { TopicConfigs } from '../../../src/core/engine/topic-config.ts'
import type { ScenarioEngine } from './scenario-engine.ts'
import { PendingStep, WireError, errorNumberOf, textOf } from './scenario.ts'
import type { Calls, JsonObject, Step } from './scenario.ts'

const unknownServerError = -1
const invalidRequest = 42
const topicResource = 2
const brokerResource = 4

type Engine = ScenarioEngine['engine']

/** As the protocol numbers where a value comes from. */
const sources = { DYNAMIC_TOPIC_CONFIG: 1, DYNAMIC_DEFAULT_BROKER_CONFIG: 3, STATIC_BROKER_CONFIG: 4, DEFAULT_CONFIG: 5 } as const
type Source = keyof typeof sources

const typeNumbers = { BOOLEAN: 1, STRING: 2, INT: 3, LONG: 5, DOUBLE: 6, LIST: 7 } as const
const typeNames = { boolean: 'BOOLEAN', choice: 'STRING', int: 'INT', long: 'LONG', double: 'DOUBLE', list: 'LIST' } as const

interface Synonym {
  readonly name: string
  readonly value: string
  readonly source: Source
}

/** The broker's own name of a default; a topic's config that is not here has none with a value, or the same name (`sameName`). */
const brokerNames: Readonly<Record<string, string>> = {
  'cleanup.policy': 'log.cleanup.policy', 'delete.retention.ms': 'log.cleaner.delete.retention.ms', 'file.delete.delay.ms': 'log.segment.delete.delay.ms',
  'flush.messages': 'log.flush.interval.messages', 'index.interval.bytes': 'log.index.interval.bytes', 'local.retention.bytes': 'log.local.retention.bytes',
  'local.retention.ms': 'log.local.retention.ms', 'max.compaction.lag.ms': 'log.cleaner.max.compaction.lag.ms', 'max.message.bytes': 'message.max.bytes',
  'message.timestamp.after.max.ms': 'log.message.timestamp.after.max.ms', 'message.timestamp.before.max.ms': 'log.message.timestamp.before.max.ms',
  'message.timestamp.type': 'log.message.timestamp.type', 'min.cleanable.dirty.ratio': 'log.cleaner.min.cleanable.ratio', 'min.compaction.lag.ms': 'log.cleaner.min.compaction.lag.ms',
  preallocate: 'log.preallocate', 'retention.bytes': 'log.retention.bytes', 'segment.bytes': 'log.segment.bytes', 'segment.index.bytes': 'log.index.size.max.bytes',
}
const sameName: readonly string[] = ['compression.gzip.level', 'compression.lz4.level', 'compression.type', 'compression.zstd.level', 'min.insync.replicas', 'unclean.leader.election.enable']

/** What the recording's broker was started with, or its cluster set: the listener's to know, as node ids and host names are. */
const recordedBroker: Readonly<Record<string, readonly Synonym[]>> = {
  'retention.ms': [{ name: 'log.retention.ms', value: '-1', source: 'STATIC_BROKER_CONFIG' }, { name: 'log.retention.hours', value: '168', source: 'DEFAULT_CONFIG' }],
  'min.insync.replicas': [
    { name: 'min.insync.replicas', value: '1', source: 'DYNAMIC_DEFAULT_BROKER_CONFIG' }, { name: 'min.insync.replicas', value: '1', source: 'STATIC_BROKER_CONFIG' },
    { name: 'min.insync.replicas', value: '1', source: 'DEFAULT_CONFIG' },
  ],
}

export const configCalls: Calls = {
  op: {
    async alterConfig({ engine }, { topic, ...configs }) {
      await engine.alterTopic(textOf(topic), { configs: configs as Record<string, string> })
      return 'ok'
    },
    async incrementalAlterConfigs({ engine }, args) {
      const topic = textOf(args['topic'])
      const name = textOf(args['name'])
      if (args['value'] === null && args['op'] === 'SET') throw new WireError(invalidRequest)
      const operation = operations.indexOf(textOf(args['op']))
      await engine.alterTopic(topic, { configs: await incrementalChange(engine, topic, [{ name, configOperation: operation, value: args['value'] ?? null }]) })
      const after = (await described(engine, topic)).find((config) => config.name === name)
      return after === undefined ? null : { value: after.value, source: after.source }
    },
    async describeConfigs({ engine }, args) {
      return (await described(engine, textOf(args['topic']))).map(({ name, value, source, type, synonyms }) => ({
        name, value, type, source, readOnly: false, sensitive: false, synonyms: synonyms.map((synonym) => `${synonym.name}=${synonym.value} ${synonym.source}`),
      }))
    },
  },
  wire: {
    async IncrementalAlterConfigs({ engine }, request) {
      return { throttleTimeMs: 0, responses: await alterEach(engine, request, (topic, configs) => incrementalChange(engine, topic, configs)) }
    },
    /** The set that is sent takes the place of the one that was. */
    async AlterConfigs({ engine }, request) {
      const replace = async (topic: string, configs: readonly JsonObject[]) => {
        const before = (await described(engine, topic)).filter(({ source }) => source === 'DYNAMIC_TOPIC_CONFIG')
        return { ...Object.fromEntries(before.map(({ name }) => [name, null])), ...Object.fromEntries(configs.map(({ name, value }) => [textOf(name), value as string])) }
      }
      return { throttleTimeMs: 0, responses: await alterEach(engine, request, replace) }
    },
    DescribeConfigs: async ({ engine }, request, step) => ({ throttleTimeMs: 0, results: await describeEach(engine, request, step) }),
  },
}

// ---------------------------------------------------------------------------------------------------- describing

interface DescribedConfig {
  readonly name: string
  readonly value: string
  readonly type: keyof typeof typeNumbers
  readonly source: Source
  readonly synonyms: readonly Synonym[]
}

async function described(engine: Engine, topic: string): Promise<readonly DescribedConfig[]> {
  const [description] = await engine.describeTopics([topic])
  return describeConfigs(Object.fromEntries(description!.configs.filter(({ source }) => source === 'topic').map(({ name, value }) => [name, value])))
}

/** What a topic with these configs of its own has in all, with where each value comes from and what it would be without. */
function describeConfigs(own: TopicConfigs): readonly DescribedConfig[] {
  return Object.entries(topicConfigDefinitions).map(([name, definition]) => {
    const set: readonly Synonym[] = own[name] === undefined ? [] : [{ name, value: own[name], source: 'DYNAMIC_TOPIC_CONFIG' }]
    const brokerName = brokerNames[name] ?? (sameName.includes(name) ? name : undefined)
    const defaults: readonly Synonym[] = brokerName === undefined ? [] : [{ name: brokerName, value: definition.default, source: 'DEFAULT_CONFIG' }]
    const synonyms = [...set, ...(recordedBroker[name] ?? defaults)]
    const { value, source } = synonyms[0] ?? { value: definition.default, source: 'DEFAULT_CONFIG' as const }
    return { name, value, source, synonyms, type: typeNames[definition.type] }
  })
}

/** As the answer of CreateTopics lists them. */
export function createdConfigs(own: TopicConfigs): readonly JsonObject[] {
  return describeConfigs(own).map(({ name, value, source }) => ({ name, value, readOnly: false, configSource: sources[source], isSensitive: false }))
}

/** A kind of resource that nobody knows fails the whole request. */
async function describeEach(engine: Engine, request: JsonObject, step: Step): Promise<readonly JsonObject[]> {
  const resources = request['resources'] as readonly JsonObject[]
  const isKnown = resources.every(({ resourceType }) => resourceType === topicResource || resourceType === brokerResource)
  return Promise.all(resources.map(async ({ resourceType, resourceName, configurationKeys }, index) => {
    const answer = { resourceType: resourceType!, resourceName: resourceName! }
    if (!isKnown) return { ...answer, errorCode: invalidRequest, configs: [] }
    if (resourceType === brokerResource) throw new PendingStep('the configs of a broker, which come with the network listener')
    try {
      const wanted = configurationKeys as readonly string[] | null
      const configs = (await described(engine, textOf(resourceName))).filter(({ name }) => wanted === null || wanted.includes(name))
      return { ...answer, errorCode: 0, configs: inRecordedOrder(configs.map((config) => configJson(config, request, step)), recordedConfigs(step, index)) }
    } catch (error) {
      return { ...answer, errorCode: errorNumberOf(error), configs: [] }
    }
  }))
}

function configJson({ name, value, source, type, synonyms }: DescribedConfig, request: JsonObject, step: Step): JsonObject {
  const listed = request['includeSynonyms'] === true ? synonyms.map((synonym) => ({ ...synonym, source: sources[synonym.source] })) : []
  const plain = { name, value, readOnly: false, configSource: sources[source], isSensitive: false, synonyms: listed }
  return (step.version ?? 0) < 3 ? plain : { ...plain, configType: typeNumbers[type], documentation: null }
}

function recordedConfigs(step: Step, index: number): readonly JsonObject[] {
  return (((step.response as JsonObject)['results'] as readonly JsonObject[])[index]?.['configs'] ?? []) as readonly JsonObject[]
}

/** The order of such a list is that of a hash table, and means nothing. */
function inRecordedOrder(configs: readonly JsonObject[], recorded: readonly JsonObject[]): readonly JsonObject[] {
  const names = recorded.map(({ name }) => name)
  return configs.toSorted((a, b) => names.indexOf(a['name']!) - names.indexOf(b['name']!))
}

// ---------------------------------------------------------------------------------------------------- changing

type ConfigChange = Readonly<Record<string, string | null>>

const operations: readonly string[] = ['SET', 'DELETE', 'APPEND', 'SUBTRACT']

async function alterEach(engine: Engine, request: JsonObject, changeOf: (topic: string, configs: readonly JsonObject[]) => Promise<ConfigChange>): Promise<readonly JsonObject[]> {
  const validateOnly = request['validateOnly'] === true
  const alter = async ({ resourceType, resourceName, configs }: JsonObject): Promise<number> => {
    if (resourceType === brokerResource) throw new PendingStep('the configs of a broker, which come with the network listener')
    if (resourceType !== topicResource) return invalidRequest
    const names = (configs as readonly JsonObject[]).map(({ name }) => name)
    if (new Set(names).size < names.length) return invalidRequest
    try {
      const topic = textOf(resourceName)
      const change = { configs: await changeOf(topic, configs as readonly JsonObject[]) }
      await (validateOnly ? engine.topics.checkChange(topic, change) : engine.alterTopic(topic, change))
      return 0
    } catch (error) {
      if (error instanceof WireError || isStreamError(error)) return errorNumberOf(error)
      throw error
    }
  }
  const responses: JsonObject[] = []
  for (const resource of request['resources'] as readonly JsonObject[]) {
    responses.push({ errorCode: await alter(resource), resourceType: resource['resourceType']!, resourceName: resource['resourceName']! })
  }
  return responses
}

/** APPEND and SUBTRACT change a list, beginning with its default. */
async function incrementalChange(engine: Engine, topic: string, configs: readonly JsonObject[]): Promise<ConfigChange> {
  const before = await described(engine, topic)
  return Object.fromEntries(configs.map(({ name, configOperation, value }) => [textOf(name), changedValue(before, textOf(name), operations[configOperation as number], value as string | null)]))
}

function changedValue(before: readonly DescribedConfig[], name: string, operation: string | undefined, value: string | null): string | null {
  if (operation === 'DELETE') return null
  if (operation === undefined) throw new WireError(unknownServerError)
  if (value === null) throw new WireError(invalidRequest)
  if (operation === 'SET') return value
  const known = before.find((config) => config.name === name)
  if (known !== undefined && known.type !== 'LIST') throw new StreamError('INVALID_CONFIG', `Can't ${operation} to key ${name} because its type is not LIST.`)
  const items = (known?.value ?? '').split(',').filter((item) => item !== '')
  const given = value.split(',')
  return (operation === 'APPEND' ? [...items, ...given.filter((item) => !items.includes(item))] : items.filter((item) => !given.includes(item))).join(',')
}
