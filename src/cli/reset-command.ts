import type { Command } from 'commander'
import { StreamError } from '../core/index.ts'
import type { Broker, CommittedOffset, PartitionPosition } from '../core/index.ts'
import { collect, wholeNumber } from './arguments.ts'
import { addBackendOptions, withBroker } from './backend.ts'
import type { BackendOptions } from './backend.ts'
import { plannedOffsets } from './reset-offsets.ts'
import type { ResetTarget } from './reset-offsets.ts'
import type { Terminal } from './terminal.ts'
import { textTable } from './text-table.ts'

interface ResetOptions extends BackendOptions, ResetTarget {
  readonly applicationId: string
  readonly inputTopic?: readonly string[]
  readonly execute?: boolean
}

interface ResetPlan {
  readonly inputs: readonly PartitionPosition[]
  readonly internalTopics: readonly string[]
  /** Committed offsets of internal topics, which begin anew. */
  readonly internalOffsets: readonly CommittedOffset[]
}

/** Kafka's application reset tool, for an application on the embedded log or on Kafka. */
export function addResetCommand(program: Command, terminal: Terminal): void {
  addBackendOptions(program.command('reset').description('make a stopped application process its input again with empty state; shows what would happen unless --execute is given'))
    .requiredOption('--application-id <id>', 'the application')
    .option('--input-topic <name>', 'reset this topic only; repeatable (default: every topic the application has committed offsets of)', collect)
    .option('--to-earliest', 'begin with the first record that is still there (the default)')
    .option('--to-latest', 'begin with what is appended from now on')
    .option('--to-offset <offset>', 'begin at this offset, in every partition', wholeNumber)
    .option('--to-datetime <time>', 'begin with the first record that has at least this timestamp, such as 2026-01-31T08:00:00Z')
    .option('--execute', 'set the offsets, and delete the internal topics with all state in them')
    .action((options: ResetOptions) => withBroker(options, (broker) => reset(broker, options, terminal)))
}

async function reset(broker: Broker, options: ResetOptions, terminal: Terminal): Promise<void> {
  const plan = await plannedReset(broker, options)
  await terminal.write(textTable(['WHAT', 'TOPIC', 'PARTITION', 'NEW-OFFSET'], [
    ...plan.inputs.map(({ topic, partition, offset }) => ['set offset', topic, String(partition), String(offset)]),
    ...plan.internalTopics.map((topic) => ['delete topic', topic, '', '']),
  ]))
  if (options.execute === true) await carryOut(broker, options.applicationId, plan)
  else terminal.tell('Nothing was changed; add --execute to do this. Results that were written stay, and are written again.')
}

/** @throws GROUP_ID_NOT_FOUND for an unknown application, NON_EMPTY_GROUP while it runs */
async function plannedReset(broker: Broker, options: ResetOptions): Promise<ResetPlan> {
  const { applicationId, toEarliest, toLatest, toOffset, toDatetime } = options
  const { isInternalTopic } = await import('../streams/index.ts')
  const group = await broker.groups.describe(applicationId)
  const topics = await broker.topics.list()
  const internalTopics = topics.filter((topic) => isInternalTopic(applicationId, topic))
  if (group.state === 'dead' && internalTopics.length === 0) {
    throw new StreamError('GROUP_ID_NOT_FOUND', `no application ${applicationId} has run here: there is neither a consumer group nor an internal topic of that name`, { details: { applicationId } })
  }
  if (group.members.length > 0) {
    throw new StreamError('NON_EMPTY_GROUP', `${applicationId} runs in ${group.members.length} ${group.members.length === 1 ? 'instance' : 'instances'}; stop it first`, { details: { applicationId } })
  }
  const committed = [...new Set(group.offsets.map(({ topic }) => topic))].filter((topic) => topics.includes(topic))
  const inputs = options.inputTopic ?? committed.filter((topic) => !isInternalTopic(applicationId, topic))
  const asked = { ...(toLatest !== undefined && { toLatest }), ...(toOffset !== undefined && { toOffset }), ...(toDatetime !== undefined && { toDatetime }) }
  const target = toEarliest === true || Object.keys(asked).length === 0 ? { ...asked, toEarliest: true } : asked
  const offsets = inputs.length === 0 ? [] : await plannedOffsets(broker, applicationId, target, { topic: inputs })
  return { inputs: offsets, internalTopics, internalOffsets: group.offsets.filter(({ topic }) => isInternalTopic(applicationId, topic)).map((position) => ({ ...position, offset: 0 })) }
}

/** Offsets first: stopped in between, the application would find its internal topics gone, and the command can be given again. */
async function carryOut(broker: Broker, applicationId: string, { inputs, internalTopics, internalOffsets }: ResetPlan): Promise<void> {
  const offsets = [...inputs, ...internalOffsets]
  if (offsets.length > 0) await broker.groups.setOffsets(applicationId, offsets)
  if (internalTopics.length > 0) await broker.topics.remove(internalTopics)
}
