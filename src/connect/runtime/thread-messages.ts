/** What the worker and a task's thread say to each other, as plain data. */
import type { BrokerHandle, PlainError } from '../../core/index.ts'
import type { Log } from '../connector.ts'
import type { GaugeReading } from './task-gauges.ts'
import type { TaskProgress, TaskSpec } from './task-spec.ts'

export interface TaskThreadData {
  readonly spec: TaskSpec
  readonly isPaused: boolean
  readonly broker: BrokerHandle
}

export type ToThread = { readonly kind: 'pause' | 'resume' | 'stop' | 'confirmed' }

export type FromThread =
  | { readonly kind: 'progress'; readonly progress: TaskProgress }
  | { readonly kind: 'log'; readonly level: keyof Log; readonly text: string }
  /** A sign of life. */
  | { readonly kind: 'alive'; readonly gauges: readonly GaugeReading[] }
  /** Its producer is open: it waits to be confirmed. */
  | { readonly kind: 'opened' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly error: PlainError }

/** How often a thread gives a sign of life. */
export const signOfLifeMs = 500
