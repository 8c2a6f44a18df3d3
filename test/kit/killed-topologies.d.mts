import type { ProducerRecord } from '../../src/core/index.ts'
import type { Topology } from '../../src/streams/index.ts'

export const topics: readonly string[]
export function recordOf(name: string, index: number, baseMs: number): ProducerRecord
export function windowedCount(): Topology
export function join(): Topology
