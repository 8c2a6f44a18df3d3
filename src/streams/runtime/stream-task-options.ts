import type { Clock } from '../../core/index.ts'
import type { DiskState } from '../state/disk-state.ts'
import type { OpenStore } from '../state/open-store.ts'
import type { StoreSpec, TopologyNode } from '../topology/node.ts'
import type { RecordCollector } from './record-collector.ts'
import type { TaskConfig } from './task-config.ts'

export interface StreamTaskOptions {
  /** `<sub-topology>_<partition>`. */
  readonly taskId: string
  readonly partition: number
  readonly applicationId: string
  /** Those of the sub-topology, in the order of the topology. */
  readonly nodes: readonly TopologyNode[]
  readonly stores: readonly StoreSpec[]
  /** Bare names of the internal topics of the topology; their names in the broker begin with the application id. */
  readonly repartitionTopics: readonly string[]
  readonly clock: Clock
  readonly config: TaskConfig
  readonly collector: RecordCollector
  /** Where stores are that outlive the process; absent or null: in memory. */
  readonly disk?: DiskState | null
  /** The largest batch that a topic takes, in bytes; Infinity where that is not known. Absent: not known of any. */
  readonly batchLimit?: (topic: string) => number
  /** False where the broker has no such topic. @throws UNKNOWN_TOPIC_OR_PARTITION when nobody has looked. Absent: all exist. */
  readonly hasTopic?: (topic: string) => boolean
  /** Its stores are filled, and no processor begins, until `activate`. Default false. */
  readonly standsBy?: boolean
  /** Stores of global tables, shared by all tasks of the application and kept by others. */
  readonly globalStores?: ReadonlyMap<string, OpenStore>
}
