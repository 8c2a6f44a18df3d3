/** Each kind of store, how random rows reach it, and how its whole content is read. */
import fc from 'fast-check'
import type { Header } from '../../../src/core/index.ts'
import type { KeyValueStore } from '../../../src/streams/state/key-value-store.ts'
import type { JoinBuffer } from '../../../src/streams/state/join-buffer.ts'
import type { OpenStore } from '../../../src/streams/state/open-store.ts'
import type { OuterJoinStore } from '../../../src/streams/state/outer-join-store.ts'
import type { ValueAndHeaders, ValueTimestampAndHeaders } from '../../../src/streams/state/row-with-headers.ts'
import type { SessionStore } from '../../../src/streams/state/session-store.ts'
import type { SuppressBuffer } from '../../../src/streams/state/suppress-buffer.ts'
import type { ValueAndTimestamp } from '../../../src/streams/state/value-and-timestamp.ts'
import type { VersionedStore } from '../../../src/streams/state/versioned-store.ts'
import type { WindowStore } from '../../../src/streams/state/window-store.ts'
import { StreamRecord, noHeaders } from '../../../src/streams/stream-record.ts'
import type { StoreSpec } from '../../../src/streams/topology/node.ts'
import { specOf } from './store-host.ts'

export type Write = readonly [key: string, value: string | null, time: number]

export const write = fc.tuple(fc.constantFrom('a', 'ab', 'b', 'é'), fc.option(fc.constantFrom('x', 'y')), fc.nat(400))

export interface StoreKind {
  readonly spec: StoreSpec
  readonly put: (store: OpenStore, write: Write) => void
  readonly content: (store: OpenStore) => unknown
}

const origin = { topic: 't', partition: 0, offset: 7, rawKey: null, rawValue: null }
const recordOf = ([key, value, timestamp]: Write) => new StreamRecord<unknown, unknown>(key, value, timestamp, noHeaders, origin)

/** None, one without a value, or one with. */
function headersAt(time: number): readonly Header[] {
  return [[], [{ key: 'none', value: null }], [{ key: 'é', value: Uint8Array.of(time & 255) }, { key: 'é', value: new Uint8Array(0) }]][time % 3]!
}

/** Stores that no program reaches by name. */
const buffers: readonly StoreKind[] = [
  {
    spec: specOf({ type: 'outer-join' }),
    put({ view }, [key, value, timestamp]) {
      if (value === null) (view as OuterJoinStore).remove(key, timestamp, 'left')
      else (view as OuterJoinStore).park(key, timestamp % 8, value === 'x' ? 'left' : 'right', value)
    },
    content: ({ view }) => [...(view as OuterJoinStore).all()],
  },
  {
    spec: specOf({ type: 'join-buffer', graceMs: 5 }),
    put({ view }, step) {
      if (step[1] !== null) (view as JoinBuffer).put(recordOf(step))
    },
    // What is due leaves it by this.
    content: ({ view }) => [...(view as JoinBuffer).evictDue()].map(({ key, value, timestamp }) => [key, value, timestamp]),
  },
  {
    spec: specOf({ type: 'suppress-buffer' }),
    put({ view }, step) {
      const buffer = view as SuppressBuffer
      if (step[1] === null) buffer.evictFirst(() => {})
      else buffer.put(step[2], recordOf(step), { newValue: step[1], oldValue: null, isLatest: true })
    },
    content({ view }) {
      const buffer = view as SuppressBuffer
      return [buffer.records, buffer.sizeBytes, buffer.firstTime, ['a', 'ab', 'b', 'é'].map((key) => buffer.priorValueOf(key))]
    },
  },
]

export const kinds: readonly StoreKind[] = [
  ...buffers,
  {
    spec: specOf({ type: 'timestamped-key-value' }),
    put: ({ view }, [key, value, timestamp]) => (view as KeyValueStore<string, ValueAndTimestamp<string>>).put(key, value === null ? null : { value, timestamp }),
    content: ({ view }) => [...(view as KeyValueStore<string, unknown>).all()],
  },
  {
    spec: specOf({ type: 'key-value' }),
    put: ({ view }, [key, value]) => (view as KeyValueStore<string, string>).put(key, value),
    content: ({ view }) => [...(view as KeyValueStore<string, unknown>).all()],
  },
  {
    spec: specOf({ type: 'timestamped-key-value', ttlMs: 100 }),
    put: ({ view }, [key, value, timestamp]) => (view as KeyValueStore<string, ValueAndTimestamp<string>>).put(key, value === null ? null : { value, timestamp }),
    content: ({ view }) => [...(view as KeyValueStore<string, unknown>).all()],
  },
  {
    spec: specOf({ type: 'timestamped-lru', maxEntries: 3 }),
    put: ({ view }, [key, value, timestamp]) => (view as KeyValueStore<string, ValueAndTimestamp<string>>).put(key, value === null ? null : { value, timestamp }),
    content: ({ view }) => [...(view as KeyValueStore<string, unknown>).all()],
  },
  {
    spec: specOf({ type: 'lru', maxEntries: 2 }),
    // Reading counts as a use.
    put({ view }, [key, value, timestamp]) {
      if (timestamp % 3 === 0) (view as KeyValueStore<string, string>).get('a')
      ;(view as KeyValueStore<string, string>).put(key, value)
    },
    content: ({ view }) => [...(view as KeyValueStore<string, unknown>).all()],
  },
  {
    spec: specOf({ type: 'timestamped-window', retentionMs: 100, windowSizeMs: 10 }),
    put: ({ view }, [key, value, timestamp]) => (view as WindowStore<string, ValueAndTimestamp<string>>).put(key, value === null ? null : { value, timestamp }, timestamp - (timestamp % 10)),
    content: ({ view }) => [...(view as WindowStore<string, unknown>).all()],
  },
  {
    spec: specOf({ type: 'window', retentionMs: 100, windowSizeMs: 10, retainDuplicates: true }),
    put: ({ view }, [key, value, timestamp]) => (view as WindowStore<string, string>).put(key, value, timestamp),
    content: ({ view }) => [...(view as WindowStore<string, unknown>).all()],
  },
  {
    spec: specOf({ type: 'timestamped-key-value', keepsHeaders: true }),
    put: ({ view }, [key, value, timestamp]) => (view as KeyValueStore<string, ValueTimestampAndHeaders<string>>).put(key, value === null ? null : { value, timestamp, headers: headersAt(timestamp) }),
    content: ({ view }) => [...(view as KeyValueStore<string, unknown>).all()],
  },
  {
    spec: specOf({ type: 'timestamped-window', retentionMs: 100, windowSizeMs: 10, keepsHeaders: true }),
    put: ({ view }, [key, value, timestamp]) => (view as WindowStore<string, ValueTimestampAndHeaders<string>>).put(key, value === null ? null : { value, timestamp, headers: headersAt(timestamp) }, timestamp - (timestamp % 10)),
    content: ({ view }) => [...(view as WindowStore<string, unknown>).all()],
  },
  {
    spec: specOf({ type: 'session', retentionMs: 100, keepsHeaders: true }),
    put: ({ view }, [key, value, end]) => (view as SessionStore<string, ValueAndHeaders<string>>).put({ key, start: Math.max(0, end - 5), end }, value === null ? null : { value, headers: headersAt(end) }),
    content: ({ view }) => [...(view as SessionStore<string, unknown>).fetchRange(null, null)],
  },
  {
    spec: specOf({ type: 'session', retentionMs: 100 }),
    put: ({ view }, [key, value, end]) => (view as SessionStore<string, string>).put({ key, start: Math.max(0, end - 5), end }, value),
    content: ({ view }) => [...(view as SessionStore<string, unknown>).fetchRange(null, null)],
  },
  {
    spec: specOf({ type: 'timestamped-window', retentionMs: 100, windowSizeMs: 10, persistent: false }),
    put: ({ view }, [key, value, timestamp]) => (view as WindowStore<string, ValueAndTimestamp<string>>).put(key, value === null ? null : { value, timestamp }, timestamp - (timestamp % 10)),
    content: ({ view }) => [...(view as WindowStore<string, unknown>).all()],
  },
  {
    spec: specOf({ type: 'session', retentionMs: 100, persistent: false }),
    put: ({ view }, [key, value, end]) => (view as SessionStore<string, string>).put({ key, start: Math.max(0, end - 5), end }, value),
    content: ({ view }) => [...(view as SessionStore<string, unknown>).fetchRange(null, null)],
  },
  {
    spec: specOf({ type: 'versioned', historyMs: 100 }),
    put: ({ view }, [key, value, timestamp]) => void (view as VersionedStore<string, string>).put(key, value, timestamp),
    content: ({ view }) => ['a', 'ab', 'b', 'é'].map((key) => [350, 375, 400].map((asOf) => (view as VersionedStore<string, string>).getAsOf(key, asOf))),
  },
]
