import type { Broker, Clock, Random } from '../../core/index.ts'
import type { Log } from '../connector.ts'
import type { InstalledPlugin, PluginRegistry } from './plugin-registry.ts'
import type { ConnectorPlugin } from '../connector.ts'
import type { GaugeReading } from './task-gauges.ts'
import type { TaskProgress, TaskSpec } from './task-spec.ts'

export interface HostedTaskOptions {
  readonly spec: TaskSpec
  readonly installed: InstalledPlugin<ConnectorPlugin>
  /** The worker's: for tasks inside it. A thread makes its own. */
  readonly registry: PluginRegistry
  readonly broker: Broker
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly isPaused: boolean
  readonly report: (progress: TaskProgress) => void
  /** See `TaskEnvironment`. */
  readonly confirm: () => Promise<void>
}

/** A task that runs somewhere: in a thread of its own, or inside the worker. */
export interface HostedTask {
  /** Settles once: resolves after a clean stop, rejects with what made the task fail. */
  readonly done: Promise<void>
  pause(): void
  resume(): void
  /** Asks for a clean stop: what is in flight is committed first. */
  stop(): void
  /** What it says about itself in numbers, as far as is known here. */
  gauges(): readonly GaugeReading[]
  /** Ends it without asking, where that is possible; nothing more is committed. */
  kill(): Promise<void>
}

/** Where tasks run. */
export type TaskHost = (options: HostedTaskOptions) => HostedTask
