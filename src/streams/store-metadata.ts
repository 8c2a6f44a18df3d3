import type { GroupDescription, PartitionPosition } from '../core/index.ts'
import { partitionOfKey } from './local-stores.ts'
import { sourceTopicsInBroker, taskPlans } from './runtime/assignor.ts'
import { endpointIn } from './runtime/member-data.ts'
import type { InputSummary, StandbySummary, TaskSummary } from './threads/app-thread.ts'
import type { StoreSpec, TopologyData } from './topology/node.ts'

export interface StoreMetadata {
  readonly name: string
  readonly type: string
  readonly isGlobal: boolean
  /** Partitions of it that this instance has; for a global store: none, since it has all of it. */
  readonly partitions: readonly number[]
  /** Records of the inputs of these partitions that are not processed yet: how far the rows may be behind. */
  readonly lagRecords: number
  /** Where processing is in the inputs of these partitions, as committed: what rows have at least. For `StoreQueryOptions.atLeast`. */
  readonly position: readonly PartitionPosition[]
  /** Partitions that run elsewhere and are followed here, with what they lack of their changelogs; asked with `stale`. */
  readonly standbys: readonly { readonly partition: number; readonly lagRecords: number }[]
}

export interface KeyMetadata {
  /** Of the store. -1 for a global store, which every instance has. */
  readonly partition: number
  /** This instance can be asked. */
  readonly isLocal: boolean
  /** Nobody can be asked at present: its partition moves, or its rows are restored here. Ask again. */
  readonly isMoving: boolean
  /** Where the instance that has it says it can be reached (its setting `endpoint`); null when it says nothing, or `isMoving`. */
  readonly endpoint: string | null
  /** This instance follows it, and can be asked with `stale`. */
  readonly isStandby: boolean
  /** Where others that follow it can be reached, too. */
  readonly standbyEndpoints: readonly string[]
}

/** Kinds of stores that only operators understand. */
const inner = new Set<StoreSpec['type']>(['outer-join', 'suppress-buffer', 'join-buffer'])

export function storeMetadata({ stores, globalStores }: TopologyData, tasks: readonly TaskSummary[], standbys: StandbySummary['tasks']): readonly StoreMetadata[] {
  return [
    ...stores.filter(({ type }) => !inner.has(type)).map(({ name, type }) => {
      const own = tasks.filter((task) => task.stores.includes(name))
      return {
        name, type, isGlobal: false, lagRecords: lagOf(own),
        partitions: own.map(({ partition }) => partition).sort((a, b) => a - b),
        position: positionOf(name, tasks),
        standbys: standbys.filter((task) => task.stores.includes(name)).map(({ partition, lagRecords }) => ({ partition, lagRecords })),
      }
    }),
    ...globalStores.map(({ store: { name, type } }) => ({ name, type, isGlobal: true, partitions: [], lagRecords: 0, position: [], standbys: [] })),
  ]
}

function lagOf(tasks: readonly TaskSummary[]): number {
  const unread = (inputs: readonly InputSummary[]) => inputs.reduce((sum, { readTo, end }) => sum + Math.max(0, end - readTo), 0)
  return tasks.reduce((sum, { inputs, waitingRecords }) => sum + unread(inputs) + waitingRecords, 0)
}

/** Where the tasks that have a store are in their inputs. */
export function positionOf(store: string, tasks: readonly TaskSummary[]): readonly PartitionPosition[] {
  return tasks.filter(({ stores }) => stores.includes(store)).flatMap(({ inputs }) => inputs.map(({ topic, partition, position }) => ({ topic, partition, offset: position })))
}

/** What rows of a store must have, and do not have yet; null: nothing. */
export function behind(atLeast: readonly PartitionPosition[], position: readonly PartitionPosition[]): string | null {
  for (const { topic, partition, offset } of atLeast) {
    const own = position.find((input) => input.topic === topic && input.partition === partition)
    if (own !== undefined && own.offset < offset) return `it has what was processed of ${topic}-${partition} up to offset ${own.offset}, and ${offset} was asked for; ask again`
  }
  return null
}

export interface KeyQuestion {
  readonly spec: StoreSpec
  readonly applicationId: string
  readonly topology: TopologyData
  readonly partitionCounts: ReadonlyMap<string, number>
  readonly ownTasks: readonly string[]
  /** Client ids of the members of this instance. */
  readonly ownClients: ReadonlySet<string>
  readonly standbys: StandbySummary
  readonly group: GroupDescription
}

export function keyMetadata(key: unknown, { spec, applicationId, topology, partitionCounts, ownTasks, ownClients, standbys, group }: KeyQuestion): KeyMetadata {
  const part = topology.subTopologies.find(({ stores }) => stores.some(({ name }) => name === spec.name))
  if (part === undefined) return { partition: -1, isLocal: true, isMoving: false, endpoint: null, isStandby: false, standbyEndpoints: [] }
  const topics = sourceTopicsInBroker(topology, applicationId, part, partitionCounts)
  const partition = partitionOfKey(spec, key, Math.max(1, ...topics.map((topic) => partitionCounts.get(topic) ?? 0)))
  const plan = taskPlans(topology, applicationId, partitionCounts).find(({ taskId }) => taskId === `${part.id}_${partition}`)
  const [input] = plan?.inputs ?? []
  const owner = group.members.find(({ assignment }) => assignment.some((own) => own.topic === input?.topic && own.partition === input.partition))
  const taskId = `${part.id}_${partition}`
  const isLocal = ownTasks.includes(taskId)
  const isMoving = !isLocal && (owner === undefined || ownClients.has(owner.clientId))
  return {
    partition,
    isLocal,
    isMoving,
    endpoint: owner === undefined || isMoving ? null : endpointIn(owner.clientId),
    isStandby: standbys.tasks.some((task) => task.taskId === taskId),
    standbyEndpoints: standbys.endpoints.get(taskId) ?? [],
  }
}
