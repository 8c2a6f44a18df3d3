import type { ResolvedConfig } from '../config.ts'
import type { TopologyData } from '../topology/node.ts'
import type { OpenDisk } from './task-factory.ts'
import type { ThreadMetrics } from './thread-metrics.ts'

export interface ThreadOptions {
  /** Unlike that of any other thread of the application, in whatever process: its transactional id. */
  readonly name: string
  readonly topology: TopologyData
  readonly config: ResolvedConfig
  /** Of every topic the application touches; topics chosen per record are added. */
  readonly partitionCounts: Map<string, number>
  readonly metrics: ThreadMetrics
  /** `rebalancing` while partitions move or stores are restored. */
  readonly onState: (state: 'rebalancing' | 'running') => void
  readonly onCommit: () => void
  /** While it is on, the thread stays in the group, and neither processes, punctuates nor restores. */
  readonly pause: { readonly isOn: boolean }
  /** `partitionCounts` has more, or other ones than before. */
  readonly onPartitions: (counts: ReadonlyMap<string, number>) => void
  /** A thread of the application, in whatever process, asks that all of it ends. */
  readonly onShutdownAsked: () => void
  /** From the beginning, this thread is the one that asks: the thread before it has died. */
  readonly asksShutdown: boolean
  /** null: stores are kept in memory. */
  readonly openDisk: OpenDisk | null
  /** The largest batch that each topic takes; bytes. */
  readonly batchLimits: ReadonlyMap<string, number>
}
