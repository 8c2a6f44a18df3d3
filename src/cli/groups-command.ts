import type { Command } from 'commander'
import { StreamError } from '../core/index.ts'
import type { Broker, GroupDescription, PartitionPosition, TopicPartition } from '../core/index.ts'
import { chosenAction, needed } from './action.ts'
import { collect, integer, wholeNumber } from './arguments.ts'
import { addBackendOptions, withBroker } from './backend.ts'
import type { BackendOptions } from './backend.ts'
import { partitionsNamed, plannedOffsets } from './reset-offsets.ts'
import type { ResetScope, ResetTarget } from './reset-offsets.ts'
import type { Terminal } from './terminal.ts'
import { textTable } from './text-table.ts'

interface GroupsOptions extends BackendOptions, ResetTarget, ResetScope, Partial<Record<Action, boolean>> {
  readonly group?: readonly string[]
  readonly allGroups?: boolean
  readonly execute?: boolean
  readonly dryRun?: boolean
  readonly export?: boolean
  readonly offsets?: boolean
  readonly members?: boolean
  readonly state?: boolean
}

const actions = ['list', 'describe', 'delete', 'resetOffsets', 'deleteOffsets'] as const
type Action = (typeof actions)[number]

export function addGroupsCommand(program: Command, terminal: Terminal): void {
  addBackendOptions(program.command('groups').description('list, describe, reset and delete consumer groups'))
    .option('--list', 'print the ids of all groups, with --state also what they are at')
    .option('--describe', 'print committed offsets, lag and members, of some groups or of all')
    .option('--delete', 'delete groups that have no members, with their committed offsets')
    .option('--reset-offsets', 'show where groups without members would go on reading --topic, and with --execute set it')
    .option('--delete-offsets', 'forget what a group has committed of --topic')
    .option('--group <id>', 'the consumer group; may be repeated', collect)
    .option('--all-groups', 'every group that there is')
    .option('--offsets', 'with --describe: offsets and lag, which is the default')
    .option('--members', 'with --describe: the members and what they have')
    .option('--state', 'with --describe and --list: the state, the assignor and the number of members')
    .option('--topic <name>', 'with --reset-offsets and --delete-offsets: all partitions of a topic, or some, as in hits:0,2; may be repeated', collect)
    .option('--all-topics', 'with --reset-offsets: all partitions that the group has committed offsets of')
    .option('--to-earliest', 'the first record that is still there')
    .option('--to-latest', 'what is appended from now on')
    .option('--to-offset <offset>', 'this offset, in every partition', wholeNumber)
    .option('--to-datetime <time>', 'the first record with at least this timestamp, such as 2026-01-31T08:00:00Z')
    .option('--to-current', 'the committed offset')
    .option('--by-duration <duration>', 'the first record that is at most so old, such as 24h')
    .option('--from-file <file>', 'what --export printed: lines of topic,partition,offset, or of group,topic,partition,offset')
    .option('--shift-by <number>', 'so many records on, or back when negative, within what is there', integer)
    .option('--dry-run', 'show what would be set, which is the default')
    .option('--execute', 'set the offsets')
    .option('--export', 'print what would be set for --from-file')
    .action((options: GroupsOptions) => {
      const action = chosenAction(options, actions)
      return withBroker(options, (broker) => run[action](broker, options, terminal))
    })
}

const run: Readonly<Record<Action, (broker: Broker, options: GroupsOptions, terminal: Terminal) => Promise<void>>> = {
  async list(broker, options, terminal) {
    const groupIds = await broker.groups.list()
    if (options.state !== true) return terminal.write(groupIds.map((groupId) => `${groupId}\n`).join(''))
    const groups = await Promise.all(groupIds.map((groupId) => broker.groups.describe(groupId)))
    await terminal.write(textTable(stateColumns, groups.map(stateRow)))
  },

  async describe(broker, options, terminal) {
    if (options.offsets === true && (options.members === true || options.state === true)) throw new StreamError('INVALID_ARGUMENT', '--describe takes one of --offsets, --members and --state')
    for (const groupId of options.group ?? (await broker.groups.list())) {
      const group = await broker.groups.describe(groupId)
      if (group.state === 'dead') throw new StreamError('GROUP_ID_NOT_FOUND', `there is no consumer group ${groupId}`, { details: { groupId } })
      if (group.members.length === 0) terminal.tell(`Consumer group '${groupId}' has no active members.`)
      if (options.members === true) await terminal.write(textTable(memberColumns, memberRows(group)))
      if (options.state === true) await terminal.write(textTable(stateColumns, [stateRow(group)]))
      if (options.members !== true && options.state !== true) await terminal.write(textTable(columns, await offsetRows(broker, group)))
    }
  },

  async delete(broker, options, terminal) {
    for (const groupId of await groupsOf(broker, options, 'delete')) {
      await broker.groups.remove([groupId])
      await terminal.write(`Deleted consumer group ${groupId}.\n`)
    }
  },

  async resetOffsets(broker, options, terminal) {
    const groupIds = await groupsOf(broker, options, 'reset-offsets')
    if (options.execute === true && options.dryRun === true) throw new StreamError('INVALID_ARGUMENT', '--dry-run and --execute contradict each other')
    const plans: GroupOffset[] = []
    for (const groupId of groupIds) for (const offset of await plannedOffsets(broker, groupId, options, options)) plans.push({ groupId, ...offset })
    if (options.execute === true) await setAll(broker, plans)
    else terminal.tell('Nothing was set; add --execute to set these offsets.')
    if (options.export === true) await terminal.write(plans.map((plan) => `${exported(plan, groupIds.length > 1)}\n`).join(''))
    else await terminal.write(textTable(['GROUP', 'TOPIC', 'PARTITION', 'NEW-OFFSET'], plans.map(({ groupId, topic, partition, offset }) => [groupId, topic, String(partition), String(offset)])))
  },

  async deleteOffsets(broker, options, terminal) {
    const topics = needed(options.topic, '--topic', 'delete-offsets')
    const groupIds = await groupsOf(broker, options, 'delete-offsets')
    const partitions = await partitionsNamed(broker, topics)
    for (const groupId of groupIds) {
      await broker.groups.removeOffsets(groupId, partitions)
      await terminal.write(textTable(['GROUP', 'TOPIC', 'PARTITION', 'STATUS'], partitions.map(({ topic, partition }) => [groupId, topic, String(partition), 'forgotten'])))
    }
  },
}

type GroupOffset = PartitionPosition & { readonly groupId: string }

async function groupsOf(broker: Broker, { group, allGroups }: GroupsOptions, action: string): Promise<readonly string[]> {
  if (group !== undefined && allGroups === true) throw new StreamError('INVALID_ARGUMENT', '--group and --all-groups contradict each other')
  return allGroups === true ? broker.groups.list() : needed(group, '--group or --all-groups', action)
}

async function setAll(broker: Broker, plans: readonly GroupOffset[]): Promise<void> {
  for (const groupId of new Set(plans.map((plan) => plan.groupId))) {
    await broker.groups.setOffsets(groupId, plans.filter((plan) => plan.groupId === groupId).map(({ topic, partition, offset }) => ({ topic, partition, offset })))
  }
}

/** As Kafka's tool writes it, for one group or for several. */
function exported({ groupId, topic, partition, offset }: GroupOffset, isOneOfSeveral: boolean): string {
  return [...(isOneOfSeveral ? [`"${groupId}"`] : []), `"${topic}"`, partition, offset].join(',')
}

function stateRow({ groupId, assignor, state, generation, members }: GroupDescription): readonly string[] {
  return [groupId, assignor ?? none, state, String(generation), String(members.length)]
}

const columns = ['GROUP', 'TOPIC', 'PARTITION', 'CURRENT-OFFSET', 'LOG-END-OFFSET', 'LAG', 'MEMBER-ID', 'CLIENT-ID']
const memberColumns = ['GROUP', 'MEMBER-ID', 'INSTANCE-ID', 'CLIENT-ID', 'PARTITIONS', 'ASSIGNMENT']
const stateColumns = ['GROUP', 'ASSIGNOR', 'STATE', 'GENERATION', 'MEMBERS']
const none = '-'

function memberRows({ groupId, members }: GroupDescription): readonly (readonly string[])[] {
  return members.map(({ memberId, groupInstanceId, clientId, assignment }) => {
    const assigned = assignment.map(({ topic, partition }) => `${topic}-${partition}`).join(',')
    return [groupId, memberId, groupInstanceId ?? none, clientId, String(assignment.length), assigned === '' ? none : assigned]
  })
}

/** A row for each partition that has a committed offset or an owner. */
async function offsetRows(broker: Broker, group: GroupDescription): Promise<readonly (readonly string[])[]> {
  const owned = group.members.flatMap((member) => member.assignment.map((partition) => ({ ...partition, member })))
  const known = new Set(await broker.topics.list({ includeInternal: true }))
  const partitions = distinct([...group.offsets, ...owned]).filter(({ topic }) => known.has(topic))
  const ends = await broker.topics.listOffsets(partitions.map(({ topic, partition }) => ({ topic, partition, at: 'latest' })), { isolation: 'read-uncommitted' })
  return partitions.map(({ topic, partition }, index) => {
    const committed = group.offsets.find((offset) => offset.topic === topic && offset.partition === partition)?.offset
    const owner = owned.find((entry) => entry.topic === topic && entry.partition === partition)?.member
    const end = ends[index]!.offset
    const lag = committed === undefined ? none : String(end - committed)
    return [group.groupId, topic, String(partition), String(committed ?? none), String(end), lag, owner?.memberId ?? none, owner?.clientId ?? none]
  })
}

function distinct(partitions: readonly TopicPartition[]): readonly TopicPartition[] {
  const unique = new Map(partitions.map(({ topic, partition }) => [`${topic} ${partition}`, { topic, partition }]))
  return [...unique.values()].toSorted((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
}
