import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KeyValueStore } from '../../../src/streams/state/key-value-store.ts'
import { openStore } from '../../../src/streams/state/open-store.ts'
import type { OpenStore } from '../../../src/streams/state/open-store.ts'
import { SessionStore } from '../../../src/streams/state/session-store.ts'
import type { ValueAndTimestamp } from '../../../src/streams/state/value-and-timestamp.ts'
import { VersionedStore } from '../../../src/streams/state/versioned-store.ts'
import { WindowStore } from '../../../src/streams/state/window-store.ts'
import type { StoreSpec } from '../../../src/streams/topology/node.ts'
import type { Serde } from '../../../src/core/index.ts'
import { TestStoreHost, specOf } from './store-host.ts'
import { kinds, write } from './store-kinds.ts'
import type { Write } from './store-kinds.ts'

describe.each(kinds)('a store of type $spec.type (duplicates: $spec.retainDuplicates)', ({ spec, put, content }) => {
  it('is the same after a restore from its changelog', () => {
    fc.assert(fc.property(fc.array(write, { maxLength: 60 }), (writes) => {
      const host = new TestStoreHost()
      const store = openStore(spec, host)
      for (const step of writes) {
        host.at(step[2])
        put(store, step)
      }
      store.flush()
      const restored = openStore(spec, new TestStoreHost())
      for (const record of host.logged) restored.restore(record.key, record.value, record.timestamp, record)
      restored.commit()
      expect(content(restored)).toEqual(content(store))
    }), { numRuns: 100 })
  })

  it('goes back to the last commit, and on from there as if nothing had been', () => {
    fc.assert(fc.property(fc.array(write, { maxLength: 30 }), fc.array(write, { maxLength: 30 }), fc.array(write, { maxLength: 10 }), (before, lost, after) => {
      const store = openStore(spec, new TestStoreHost())
      const twin = openStore(spec, new TestStoreHost())
      for (const step of before) for (const each of [store, twin]) put(each, step)
      store.commit()
      for (const step of lost) put(store, step)
      store.rollback()
      expect(content(store)).toEqual(content(twin))
      for (const step of after) for (const each of [store, twin]) put(each, step)
      expect(content(store)).toEqual(content(twin))
    }), { numRuns: 100 })
  })

  it.each([false, true])('that can seal its state goes on from there: a commit keeps what was sealed, a rollback forgets the rest as well (cache: %s)', (caching) => {
    const command = fc.oneof({ weight: 6, arbitrary: write }, { weight: 2, arbitrary: fc.constantFrom('seal' as const, 'commit' as const) }, { weight: 1, arbitrary: fc.constant('rollback' as const) })
    fc.assert(fc.property(fc.array(command, { maxLength: 40, size: 'max' }), (commands) => {
      // A cache shows rows that the store would refuse as too old: with one, there are none.
      const plain = caching && spec.retentionMs !== undefined ? { ...spec, retentionMs: 1_000 } : spec
      const store = openStore({ ...plain, caching }, new TestStoreHost(100_000))
      if (store.seal === null) return
      let [committed, sealed, current]: [Write[], Write[] | null, Write[]] = [[], null, []]
      for (const step of commands) {
        if (Array.isArray(step)) {
          put(store, step)
          current.push(step)
        } else if (step === 'rollback') {
          store.rollback()
          ;[sealed, current] = [null, [...committed]]
        } else if (step === 'commit') {
          if (sealed === null) store.flush()
          store.commit()
          ;[committed, sealed] = [sealed ?? [...current], null]
        } else if (sealed === null) {
          store.flush()
          store.seal()
          sealed = [...current]
        }
        const twin = openStore(plain, new TestStoreHost())
        for (const each of current) put(twin, each)
        expect(content(store)).toEqual(content(twin))
      }
      store.rollback()
      const twin = openStore(plain, new TestStoreHost())
      for (const each of committed) put(twin, each)
      expect(content(store)).toEqual(content(twin))
    }), { numRuns: 60 })
  })

  it('reads the same with a cache in front, before and after the flush', () => {
    fc.assert(fc.property(fc.array(fc.tuple(write, fc.boolean()), { maxLength: 40 }), (steps) => {
      const host = new TestStoreHost(100_000)
      const cached = openStore({ ...spec, caching: true }, host)
      const plain = openStore({ ...spec, retentionMs: 1_000 }, new TestStoreHost())
      const cachedWithRoom = openStore({ ...spec, caching: true, retentionMs: 1_000 }, host)
      for (const [step, flush] of steps) {
        for (const each of [cached, cachedWithRoom, plain]) put(each, step)
        if (flush) for (const each of [cached, cachedWithRoom]) each.flush()
        expect(content(cachedWithRoom)).toEqual(content(plain))
      }
    }), { numRuns: 60 })
  })
})

describe('the changelog', () => {
  it('has the bare value, with the timestamp of the row as that of the record', () => {
    const host = new TestStoreHost()
    const { view } = openStore(specOf({ type: 'timestamped-key-value' }), host)
    host.at(9)
    const store = view as KeyValueStore<string, ValueAndTimestamp<string>>
    store.put('k', { value: 'v', timestamp: 5 })
    store.put('k', null)
    expect(host.logged.map(({ value, timestamp }) => [value && Buffer.from(value).toString(), timestamp])).toEqual([['v', 5], [null, 9]])
  })

  it('forgets what an LRU store pushes out before it learns what came in', () => {
    const host = new TestStoreHost()
    const store = openStore(specOf({ type: 'lru', maxEntries: 1 }), host).view as KeyValueStore<string, string>
    store.put('a', '1')
    store.put('b', '2')
    expect(host.logged.map(({ key, value }) => `${Buffer.from(key).toString()}=${value && Buffer.from(value).toString()}`)).toEqual(['a=1', 'a=null', 'b=2'])
  })

  it('gets the last of several writes behind a cache, with the time of the record that wrote it', () => {
    const host = new TestStoreHost(100_000)
    const store = openStore(specOf({ type: 'key-value', caching: true }), host)
    const view = store.view as KeyValueStore<string, string>
    host.at(1)
    view.put('k', 'a')
    host.at(2)
    view.put('k', 'b')
    host.at(3)
    expect(host.logged).toEqual([])
    store.flush()
    expect(host.logged.map(({ timestamp }) => timestamp)).toEqual([2])
  })
})

describe('what a store keeps', () => {
  it.each(['key-value', 'timestamped-key-value', 'window', 'session', 'versioned'] as const)('is no view of what a serde of a %s store gave', (type) => {
    const pool = new Uint8Array(64)
    const view: Serde<unknown> = {
      serialize(value) {
        pool.set(Buffer.from(value as string))
        return pool.subarray(0, (value as string).length)
      },
      deserialize: (bytes) => Buffer.from(bytes).toString(),
    }
    const store = openStore(specOf({ type, valueSerde: view, retentionMs: 100, historyMs: 100 }), new TestStoreHost())
    const put = { 'key-value': 'kept', 'timestamped-key-value': { value: 'kept', timestamp: 1 } } as const
    const target = store.view
    if (target instanceof WindowStore) target.put('k', 'kept', 1)
    else if (target instanceof SessionStore) target.put({ key: 'k', start: 1, end: 1 }, 'kept')
    else if (target instanceof VersionedStore) target.put('k', 'kept', 1)
    else (target as KeyValueStore<unknown, unknown>).put('k', put[type as keyof typeof put])
    pool.fill(0)
    expect(JSON.stringify(valueOf(store))).toContain('kept')
  })
})

function valueOf({ view }: OpenStore): unknown {
  if (view instanceof WindowStore) return view.fetchOne('k', 1)
  if (view instanceof SessionStore) return view.fetchSession('k', 1, 1)
  return (view as KeyValueStore<unknown, unknown>).get('k')
}

describe('scans over several keys', () => {
  const starts = (rows: Iterable<{ readonly key: { readonly key: unknown; readonly start: number } }>) => [...rows].map(({ key: { key, start } }) => `${key as string}@${start}`)

  function windows(fields: Partial<StoreSpec>) {
    const { view } = openStore(specOf({ type: 'window', retentionMs: 100, windowSizeMs: 10, ...fields }), new TestStoreHost())
    const store = view as WindowStore<string, string>
    for (const [key, start] of [['b', 0], ['a', 20], ['a', 0], ['c', 10]] as const) store.put(key, 'x', start)
    return store
  }

  it('go by key where rows are kept by key', () => {
    const store = windows({})
    expect(starts(store.all())).toEqual(['a@0', 'a@20', 'b@0', 'c@10'])
    expect(starts(store.backwardFetchRange('a', 'b', 0, 100))).toEqual(['b@0', 'a@20', 'a@0'])
  })

  it('go by start in memory', () => {
    const store = windows({ persistent: false })
    expect(starts(store.fetchRange('a', 'b', 0, 100))).toEqual(['a@0', 'b@0', 'a@20'])
    expect(starts(store.reverseAll())).toEqual(['a@20', 'c@10', 'b@0', 'a@0'])
    store.put('d', 'x', 5)
    expect(starts(store.fetchAll(1, 10))).toEqual(['d@5', 'c@10'])
  })

  it('go by start where final results are sent, unless they name keys', () => {
    const store = windows({ timeOrdered: true })
    expect(starts(store.backwardFetchAll(0, 10))).toEqual(['c@10', 'b@0', 'a@0'])
    expect(starts(store.fetchRange('a', 'b', 0, 100))).toEqual(['a@0', 'a@20', 'b@0'])
  })

  it('go by end, then by key, over sessions in memory', () => {
    const { view } = openStore(specOf({ type: 'session', retentionMs: 100, persistent: false }), new TestStoreHost())
    const store = view as SessionStore<string, string>
    for (const [key, start, end] of [['b', 0, 5], ['a', 3, 9], ['ab', 2, 5]] as const) store.put({ key, start, end }, 'x')
    expect(starts(store.fetchRange(null, null))).toEqual(['ab@2', 'b@0', 'a@3'])
    expect(starts(store.backwardFetchRange('a', 'b'))).toEqual(['a@3', 'b@0', 'ab@2'])
  })

  it('know the rows that a rollback brought back', () => {
    const store = openStore(specOf({ type: 'window', retentionMs: 100, windowSizeMs: 10, persistent: false }), new TestStoreHost())
    const view = store.view as WindowStore<string, string>
    view.put('a', 'x', 0)
    store.commit()
    view.put('a', null, 0)
    expect(starts(view.all())).toEqual([])
    store.rollback()
    expect(starts(view.all())).toEqual(['a@0'])
  })
})

describe('a store of duplicates', () => {
  it('gives null a number and a row in the changelog, and nothing else', () => {
    const host = new TestStoreHost()
    const store = openStore(specOf({ type: 'window', retentionMs: 100, windowSizeMs: 10, retainDuplicates: true }), host).view as WindowStore<string, string>
    store.put('a', 'x', 0)
    store.put('a', null, 300)
    store.put('a', 'y', 0)
    expect([...store.fetch('a', 0, 400)].map(({ value }) => value)).toEqual(['x', 'y'])
    expect(host.logged.map(({ key, value }) => [Buffer.from(key).readInt32BE(key.length - 4), value === null])).toEqual([[1, false], [2, true], [3, false]])
  })
})

describe('retention', () => {
  it('hides a window at once when a newer one makes it too old, and counts what is written too late', () => {
    const host = new TestStoreHost()
    const store = openStore(specOf({ type: 'window', retentionMs: 20, windowSizeMs: 10, persistent: false }), host).view as WindowStore<string, string>
    store.put('k', 'old', 0)
    store.put('k', 'new', 20)
    expect(store.fetchOne('k', 0)).toBeNull()
    expect([...store.fetch('k', 0, 100)]).toEqual([{ start: 20, value: 'new' }])
    store.put('k', 'late', 0)
    expect(host.expiredRows).toBe(1)
  })

  it('drops whole segments, however far time jumps', () => {
    const store = openStore(specOf({ type: 'window', retentionMs: 60_000, windowSizeMs: 10 }), new TestStoreHost())
    const view = store.view as WindowStore<string, string>
    for (let start = 0; start < 10_000_000; start += 50_000) view.put('k', 'v', start)
    store.commit()
    expect([...view.all()].length).toBeLessThanOrEqual(2)
  })
})
