import type { Broker, TopicDescription, TopicSpec } from '../../core/index.ts'
import { isStreamError, StreamError } from '../../core/index.ts'
import type { RawConfig } from '../config-spec.ts'
import { configError } from '../errors.ts'
import { wholeNameRegex } from './connector-config.ts'

/** Settings for topics whose name matches, as upstream's `topic.creation.*` (KIP-158). */
interface CreationGroup {
  readonly include: readonly RegExp[]
  readonly exclude: readonly RegExp[]
  readonly partitions: number | undefined
  readonly replicationFactor: number | undefined
  readonly configs: Readonly<Record<string, string>>
}

/** Chooses the settings of a new topic: the first group that matches, in the order of `topic.creation.groups`, else `default`. */
export class TopicCreation {
  readonly #groups: readonly CreationGroup[]

  /** @throws INVALID_CONFIG */
  constructor(config: RawConfig, groups: readonly string[]) {
    this.#groups = [...groups.filter((name) => name !== 'default').map((name) => readGroup(config, name)), { ...readGroup(config, 'default'), include: [/^/], exclude: [] }]
  }

  specOf(topic: string): TopicSpec {
    const group = this.#groups.find(({ include, exclude }) => include.some((each) => each.test(topic)) && !exclude.some((each) => each.test(topic)))!
    return {
      topic,
      configs: group.configs,
      ...(group.partitions !== undefined && { partitions: group.partitions }),
      ...(group.replicationFactor !== undefined && { replicationFactor: group.replicationFactor }),
    }
  }
}

function readGroup(config: RawConfig, name: string): CreationGroup {
  const prefix = `topic.creation.${name}.`
  const own = new Map(Object.entries(config).filter(([key, value]) => key.startsWith(prefix) && value !== null).map(([key, value]) => [key.slice(prefix.length), value!]))
  const take = (key: string): string | undefined => {
    const value = own.get(key)
    own.delete(key)
    return value
  }
  return {
    include: readPatterns(`${prefix}include`, take('include')),
    exclude: readPatterns(`${prefix}exclude`, take('exclude')),
    partitions: readCount(`${prefix}partitions`, take('partitions')),
    replicationFactor: readCount(`${prefix}replication.factor`, take('replication.factor')),
    configs: Object.fromEntries(own),
  }
}

function readPatterns(key: string, text: string | undefined): readonly RegExp[] {
  return (text ?? '').split(',').map((each) => each.trim()).filter((each) => each !== '').map((pattern) => {
    const regex = wholeNameRegex(pattern)
    if (regex === null) throw configError(`Invalid value ${pattern} for configuration ${key}: it is not a regular expression`, { details: { key } })
    return regex
  })
}

/** -1 stands for the log's default, as upstream. */
function readCount(key: string, text: string | undefined): number | undefined {
  if (text === undefined || text.trim() === '-1') return undefined
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw configError(`Invalid value ${text} for configuration ${key}: a number of at least 1, or -1 for the default, is needed`, { details: { key } })
}

/** Describes the topic, creating it first if it is missing and a spec is given. @throws UNKNOWN_TOPIC_OR_PARTITION */
export async function describeOrCreate(broker: Broker, topic: string, spec: TopicSpec | null): Promise<TopicDescription> {
  try {
    return (await broker.topics.describe([topic]))[0]!
  } catch (error) {
    if (isStreamError(error, 'INVALID_TOPIC')) throw new StreamError(error.code, `there can be no topic ${JSON.stringify(topic)}: a name has 1 to 249 letters of ASCII, digits, ".", "_" and "-"`, { cause: error })
    if (!isStreamError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) throw error
    if (spec === null) throw new StreamError(error.code, `topic ${topic} does not exist, and topic.creation.enable=false forbids to create it; create it first`, { cause: error })
  }
  await createUnlessExists(broker, spec)
  return (await broker.topics.describe([topic]))[0]!
}

async function createUnlessExists(broker: Broker, spec: TopicSpec): Promise<void> {
  try {
    await broker.topics.create([spec])
  } catch (error) {
    if (!isStreamError(error, 'TOPIC_ALREADY_EXISTS')) throw error
  }
}
