import { StreamError } from '../core/index.ts'
import type { Broker, RecordView } from '../core/index.ts'
import { sessionEndOf, sessionKeys, sessionStartOf, windowKeys, windowStartOf } from './state/store-keys.ts'
import { changelogTopic } from './topology/internal-topics.ts'
import type { StoreSpec } from './topology/node.ts'

/** A row that was set, or deleted, and committed. */
export interface StoreChange {
  readonly key: unknown
  /** Of the window or session; null for stores without. */
  readonly window: { readonly start: number; readonly end: number } | null
  /** null: the row is gone. */
  readonly value: unknown
  readonly timestamp: number
  readonly partition: number
  /** In the changelog. */
  readonly offset: number
}

export interface StoreChangesOptions {
  readonly broker: Broker
  readonly applicationId: string
  readonly spec: StoreSpec
  /** Ends the sequence. */
  readonly signal: AbortSignal
}

/**
 * Changes of a store from now on, of all partitions, wherever they are processed: what is committed to its changelog. Nothing
 * is kept for a reader that is slow; it reads on from where it was. @throws INVALID_ARGUMENT for a store without a changelog
 */
export function storeChanges(options: StoreChangesOptions): AsyncGenerator<StoreChange> {
  const topic = changelogTopic(options.applicationId, options.spec)
  if (topic !== null) return changesIn(topic, options)
  throw new StreamError('INVALID_ARGUMENT', `the store ${options.spec.name} has no changelog, from which its changes could be read`)
}

async function* changesIn(topic: string, { broker, spec, signal }: StoreChangesOptions): AsyncGenerator<StoreChange> {
  const [description] = await broker.topics.describe([topic])
  const partitions = description!.partitions.map(({ partition }) => ({ topic, partition }))
  const ends = await broker.topics.listOffsets(partitions.map((target) => ({ ...target, at: 'latest' as const })), { isolation: 'read-committed' })
  const reader = await broker.openReader()
  try {
    reader.assign(ends.map(({ partition, offset }) => ({ topic, partition, offset })))
    while (!signal.aborted) {
      for (const { partition, batches } of (await reader.read({ maxWaitMs: 500, isolation: 'read-committed', signal })).partitions) {
        for (const batch of batches) for (const record of batch) if (record.key !== null) yield changeOf(spec, record, partition)
      }
    }
  } finally {
    await reader.close()
  }
}

function changeOf(spec: StoreSpec, { key, value, timestamp, offset }: RecordView, partition: number): StoreChange {
  const place = placeOf(spec, key!)
  return { ...place, value: value === null ? null : spec.valueSerde.deserialize(value), timestamp, partition, offset }
}

function placeOf({ type, keySerde, windowSizeMs }: StoreSpec, key: Uint8Array): Pick<StoreChange, 'key' | 'window'> {
  switch (type) {
    case 'window':
    case 'timestamped-window': {
      const start = windowStartOf(key)
      return { key: keySerde.deserialize(windowKeys.baseOf(key)), window: { start, end: start + (windowSizeMs ?? 0) } }
    }
    case 'session': return { key: keySerde.deserialize(sessionKeys.baseOf(key)), window: { start: sessionStartOf(key), end: sessionEndOf(key) } }
    default: return { key: keySerde.deserialize(key), window: null }
  }
}
