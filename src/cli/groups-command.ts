import type { Command } from 'commander'
import { StreamError } from '../core/index.ts'
import type { Broker, GroupDescription, TopicPartition } from '../core/index.ts'
import { chosenAction, needed } from './action.ts'
import { collect, integer, wholeNumber } from './arguments.ts'
import { addBackendOptions, withBroker } from './backend.ts'
import type { BackendOptions } from './backend.ts'
import { plannedOffsets } from './reset-offsets.ts'
import type { ResetScope, ResetTarget } from './reset-offsets.ts'
import type { Terminal } from './terminal.ts'
import { textTable } from './text-table.ts'

interface GroupsOptions extends BackendOptions, ResetTarget, ResetScope, Partial<Record<Action, boolean>> {
  readonly group?: string
  readonly execute?: boolean
  readonly dryRun?: boolean
  readonly members?: boolean
  readonly state?: boolean
}

const actions = ['list', 'describe', 'delete', 'resetOffsets'] as const
type Action = (typeof actions)[number]

export function addGroupsCommand(program: Command, terminal: Terminal): void {
  addBackendOptions(program.command('groups').description('list, describe and delete consumer groups'))
    .option('--list', 'print the ids of all groups')
    .option('--describe', 'print committed offsets, lag and members, of one group or of all')
    .option('--delete', 'delete a group that has no members, with its committed offsets')
    .option('--reset-offsets', 'show where a group without members would go on reading --topic, and with --execute set it')
    .option('--group <id>', 'the consumer group')
    .option('--members', 'with --describe: the members and what they have')
    .option('--state', 'with --describe: the state, the assignor and the number of members')
    .option('--topic <name>', 'with --reset-offsets: all partitions of a topic, or some, as in hits:0,2; may be repeated', collect)
    .option('--all-topics', 'with --reset-offsets: all partitions that the group has committed offsets of')
    .option('--to-earliest', 'the first record that is still there')
    .option('--to-latest', 'what is appended from now on')
    .option('--to-offset <offset>', 'this offset, in every partition', wholeNumber)
    .option('--to-datetime <time>', 'the first record with at least this timestamp, such as 2026-01-31T08:00:00Z')
    .option('--to-current', 'the committed offset')
    .option('--by-duration <duration>', 'the first record that is at most so old, such as 24h')
    .option('--shift-by <number>', 'so many records on, or back when negative, within what is there', integer)
    .option('--dry-run', 'show what would be set, which is the default')
    .option('--execute', 'set the offsets')
    .action((options: GroupsOptions) => {
      const action = chosenAction(options, actions)
      return withBroker(options, (broker) => run[action](broker, options, terminal))
    })
}

const run: Readonly<Record<Action, (broker: Broker, options: GroupsOptions, terminal: Terminal) => Promise<void>>> = {
  async list(broker, _options, terminal) {
    await terminal.write((await broker.groups.list()).map((groupId) => `${groupId}\n`).join(''))
  },

  async describe(broker, options, terminal) {
    const groupIds = options.group === undefined ? await broker.groups.list() : [options.group]
    for (const groupId of groupIds) {
      const group = await broker.groups.describe(groupId)
      if (group.state === 'dead') throw new StreamError('GROUP_ID_NOT_FOUND', `there is no consumer group ${groupId}`, { details: { groupId } })
      if (group.members.length === 0) terminal.tell(`Consumer group '${groupId}' has no active members.`)
      if (options.members === true) await terminal.write(textTable(memberColumns, memberRows(group)))
      if (options.state === true) await terminal.write(textTable(stateColumns, [[groupId, group.assignor ?? none, group.state, String(group.generation), String(group.members.length)]]))
      if (options.members !== true && options.state !== true) await terminal.write(textTable(columns, await offsetRows(broker, group)))
    }
  },

  async delete(broker, options, terminal) {
    const groupId = needed(options.group, '--group', 'delete')
    await broker.groups.remove([groupId])
    await terminal.write(`Deleted consumer group ${groupId}.\n`)
  },

  async resetOffsets(broker, options, terminal) {
    const groupId = needed(options.group, '--group', 'reset-offsets')
    if (options.execute === true && options.dryRun === true) throw new StreamError('INVALID_ARGUMENT', '--dry-run and --execute contradict each other')
    const offsets = await plannedOffsets(broker, groupId, options, options)
    if (options.execute === true) await broker.groups.setOffsets(groupId, offsets)
    else terminal.tell('Nothing was set; add --execute to set these offsets.')
    await terminal.write(textTable(['GROUP', 'TOPIC', 'PARTITION', 'NEW-OFFSET'], offsets.map(({ topic, partition, offset }) => [groupId, topic, String(partition), String(offset)])))
  },
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
