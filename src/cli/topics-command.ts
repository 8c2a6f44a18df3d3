import type { Command } from 'commander'
import { isStreamError } from '../core/index.ts'
import type { Broker, TopicDescription } from '../core/index.ts'
import { chosenAction, needed } from './action.ts'
import { collect, collectPair, positiveNumber } from './arguments.ts'
import { addBackendOptions, withBroker, withNewBroker } from './backend.ts'
import type { BackendOptions } from './backend.ts'
import type { Terminal } from './terminal.ts'

interface TopicsOptions extends BackendOptions, Partial<Record<Action, boolean>> {
  readonly topic?: string
  readonly partitions?: number
  readonly replicationFactor?: number
  readonly config?: Readonly<Record<string, string>>
  readonly deleteConfig?: readonly string[]
  readonly ifNotExists?: boolean
  readonly ifExists?: boolean
  readonly excludeInternal?: boolean
  readonly topicsWithOverrides?: boolean
}

const actions = ['create', 'list', 'describe', 'delete', 'alter'] as const
type Action = (typeof actions)[number]

export function addTopicsCommand(program: Command, terminal: Terminal): void {
  addBackendOptions(program.command('topics').description('create, list, describe, delete and alter topics'))
    .option('--create', 'create a topic')
    .option('--list', 'print the names of all topics')
    .option('--describe', 'print partitions, leaders, offsets and configs, of one topic or of all')
    .option('--delete', 'delete a topic with its records')
    .option('--alter', 'add partitions, set or remove configs')
    .option('--topic <name>', 'the topic')
    .option('--partitions <number>', 'number of partitions: the new total with --alter', positiveNumber)
    .option('--replication-factor <number>', 'copies of each partition', positiveNumber)
    .option('--clamp-replicas', 'with --create, in a directory: one copy, however many are asked for')
    .option('--topics-with-overrides', 'with --describe: only topics that set configs, without their partitions')
    .option('--config <name=value>', 'a topic config under its Kafka name; may be repeated', collectPair)
    .option('--delete-config <name>', 'with --alter: take a config back to its default; may be repeated', collect)
    .option('--if-not-exists', 'with --create: an existing topic is fine')
    .option('--if-exists', 'with --delete, --describe and --alter: an absent topic is fine')
    .option('--exclude-internal', 'with --list and --describe: leave out the topics that Millrace keeps for itself')
    .action(async (options: TopicsOptions) => {
      const action = chosenAction(options, actions)
      const open = action === 'create' ? withNewBroker : withBroker
      await open(options, (broker) => run[action](broker, options, terminal))
    })
}

type Run = (broker: Broker, options: TopicsOptions, terminal: Terminal) => Promise<void>

const run: Readonly<Record<Action, Run>> = {
  async create(broker, options, terminal) {
    const topic = needed(options.topic, '--topic', 'create')
    const { partitions, replicationFactor, config: configs } = options
    const spec = { topic, ...(partitions && { partitions }), ...(replicationFactor && { replicationFactor }), ...(configs && { configs }) }
    if (await tolerated(broker.topics.create([spec]), 'TOPIC_ALREADY_EXISTS', options.ifNotExists)) await terminal.write(`Created topic ${topic}.\n`)
  },

  async list(broker, options, terminal) {
    const names = await broker.topics.list({ includeInternal: options.excludeInternal !== true })
    await terminal.write(names.map((name) => `${name}\n`).join(''))
  },

  async describe(broker, options, terminal) {
    const names = options.topic === undefined ? await broker.topics.list({ includeInternal: options.excludeInternal !== true }) : [options.topic]
    const show = async () => {
      const topics = await broker.topics.describe(names)
      const lines = options.topicsWithOverrides === true ? topics.filter((topic) => ownConfigs(topic).length > 0).map(topicLine) : topics.map(describeTopic)
      await terminal.write(lines.map((text) => `${text}\n`).join(''))
    }
    await tolerated(show(), 'UNKNOWN_TOPIC_OR_PARTITION', options.ifExists)
  },

  async delete(broker, options, terminal) {
    const topic = needed(options.topic, '--topic', 'delete')
    if (await tolerated(broker.topics.remove([topic]), 'UNKNOWN_TOPIC_OR_PARTITION', options.ifExists)) await terminal.write(`Deleted topic ${topic}.\n`)
  },

  async alter(broker, options, terminal) {
    const topic = needed(options.topic, '--topic', 'alter')
    const { partitions } = options
    const removed = Object.fromEntries((options.deleteConfig ?? []).map((name) => [name, null]))
    const configs = { ...options.config, ...removed }
    const hasConfigs = Object.keys(configs).length > 0
    needed(partitions ?? (hasConfigs || undefined), '--partitions, --config or --delete-config', 'alter')
    const change = { ...(partitions !== undefined && { partitions }), ...(hasConfigs && { configs }) }
    if (await tolerated(broker.topics.alter(topic, change), 'UNKNOWN_TOPIC_OR_PARTITION', options.ifExists)) await terminal.write(`Altered topic ${topic}.\n`)
  },
}

/** False when it failed in the one way that the user said is fine. */
async function tolerated(work: Promise<void>, code: 'TOPIC_ALREADY_EXISTS' | 'UNKNOWN_TOPIC_OR_PARTITION', tolerate = false): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    if (tolerate && isStreamError(error, code)) return false
    throw error
  }
}

/** The lines of `kafka-topics --describe`, and the offsets of each partition. */
function describeTopic(topic: TopicDescription): string {
  const rows = topic.partitions.map((partition) =>
    [
      '', `Topic: ${topic.topic}`, `Partition: ${partition.partition}`, `Leader: ${partition.leader}`, `Replicas: ${partition.replicas.join(',')}`, `Isr: ${partition.inSyncReplicas.join(',')}`,
      `LogStartOffset: ${partition.logStartOffset}`, `HighWatermark: ${partition.highWatermark}`,
    ].join('\t'),
  )
  return [topicLine(topic), ...rows].join('\n')
}

function topicLine(topic: TopicDescription): string {
  return [`Topic: ${topic.topic}`, `PartitionCount: ${topic.partitions.length}`, `ReplicationFactor: ${topic.partitions[0]?.replicas.length ?? 0}`, `Configs: ${ownConfigs(topic).join(',')}`].join('\t')
}

function ownConfigs({ configs }: TopicDescription): readonly string[] {
  return configs.filter(({ source }) => source === 'topic').map(({ name, value }) => `${name}=${value}`)
}
