import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { longSerde } from '../../src/core/index.ts'
import type { Serde } from '../../src/core/index.ts'
import { KeyValueStore } from '../../src/streams/state/key-value-store.ts'
import { openStore } from '../../src/streams/state/open-store.ts'
import type { OpenStore } from '../../src/streams/state/open-store.ts'
import { SessionStore } from '../../src/streams/state/session-store.ts'
import { VersionedStore } from '../../src/streams/state/versioned-store.ts'
import { WindowStore } from '../../src/streams/state/window-store.ts'
import type { StoreSpec } from '../../src/streams/topology/node.ts'
import { TestStoreHost, specOf } from '../streams/state/store-host.ts'

const specs: Readonly<Record<string, StoreSpec>> = {
  'key-value': specOf({ type: 'key-value' }),
  'timestamped key-value': specOf({ type: 'timestamped-key-value', valueSerde: longSerde as Serde<unknown> }),
  'window': specOf({ type: 'window', retentionMs: 120_000, windowSizeMs: 10 }),
  'window with duplicates': specOf({ type: 'window', retentionMs: 120_000, windowSizeMs: 10, retainDuplicates: true }),
  'timestamped window in memory': specOf({ type: 'timestamped-window', retentionMs: 100, windowSizeMs: 10, persistent: false }),
  'session': specOf({ type: 'session', retentionMs: 120_000 }),
  'versioned': specOf({ type: 'versioned', historyMs: 100 }),
  'cached key-value': specOf({ type: 'timestamped-key-value', caching: true }),
  // Nothing expires here: a deletion that vanishes in the cache moves the clock in memory, and is not in the changelog.
  'cached window': specOf({ type: 'timestamped-window', retentionMs: 1_000_000, windowSizeMs: 10, caching: true }),
}

const change = fc.record({
  key: fc.constantFrom('a', 'b', 'c', 'longer'),
  value: fc.option(fc.integer({ min: 0, max: 50 }), { freq: 4 }),
  time: fc.integer({ min: 0, max: 300_000 }),
  length: fc.integer({ min: 0, max: 20 }),
  after: fc.constantFrom('go on', 'go on', 'go on', 'commit', 'roll back'),
})
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never

describe('a store that is restored from its changelog', () => {
  it.each(Object.keys(specs))('has what it had: %s', (name) => {
    fc.assert(fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const spec = specs[name]!
      const host = new TestStoreHost(10_000)
      const store = openStore(spec, host)
      // What a rollback takes back was in a transaction that is aborted.
      let committed = 0
      for (const step of changes) {
        host.at(step.time)
        put(store, step)
        if (step.after === 'commit') {
          store.flush()
          store.commit()
          committed = host.logged.length
        } else if (step.after === 'roll back') {
          store.rollback()
          host.logged.length = committed
        }
      }
      store.flush()
      store.commit()
      const restored = openStore(spec, new TestStoreHost(10_000))
      for (const record of host.logged) restored.restore(record.key, record.value, record.timestamp, record)
      restored.commit()
      expect(contentOf(restored)).toEqual(contentOf(store))
    }), { numRuns: 60 })
  })
})

function put({ spec, view }: OpenStore, { key, value, time, length }: Change): void {
  const plain = value === null ? null : spec.valueSerde === (longSerde as Serde<unknown>) ? value : String(value)
  const row = plain !== null && spec.type.startsWith('timestamped-') ? { value: plain, timestamp: time } : plain
  if (view instanceof KeyValueStore) view.put(key, row)
  else if (view instanceof WindowStore) view.put(key, row, time)
  else if (view instanceof SessionStore) view.put({ key, start: Math.max(0, time - length), end: time }, plain)
  else if (view instanceof VersionedStore) view.put(key, plain, time)
}

function contentOf({ view }: OpenStore): unknown {
  if (view instanceof KeyValueStore || view instanceof WindowStore) return [...view.all()]
  if (view instanceof SessionStore) return [...view.fetchRange(null, null)]
  if (!(view instanceof VersionedStore)) throw new Error('this store has no content to compare')
  const keys = ['a', 'b', 'c', 'longer']
  const times = [0, 50, 100, 1000, 100_000, 299_950, 300_000]
  return keys.map((key) => [view.get(key), ...times.map((time) => view.getAsOf(key, time))])
}
