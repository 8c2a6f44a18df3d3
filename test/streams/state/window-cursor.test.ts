import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openStore } from '../../../src/streams/state/open-store.ts'
import { WindowCursor } from '../../../src/streams/state/window-cursor.ts'
import type { WindowStore, WindowValue } from '../../../src/streams/state/window-store.ts'
import { TestStoreHost, specOf } from './store-host.ts'

const keys = fc.constantFrom('a', 'ab', 'é')
const put = fc.record({ key: keys, value: fc.option(fc.constantFrom('x', 'a longer value')), time: fc.nat(200_000), commits: fc.boolean() })
const walk = fc.record({ key: keys, from: fc.nat(200_000), span: fc.nat(120_000) })

function rowsOf(store: WindowStore<string, string>, cursor: WindowCursor<string>, key: string, from: number, to: number): readonly WindowValue<string>[] {
  const rows: WindowValue<string>[] = []
  store.seek(cursor, key, from, to)
  while (cursor.move()) rows.push({ start: cursor.start, value: cursor.value })
  return rows
}

describe.each([
  { about: 'with duplicates, in memory', spec: specOf({ type: 'window', retentionMs: 120_000, windowSizeMs: 10, retainDuplicates: true }), cacheBytes: 0 },
  { about: 'one value each, in memory', spec: specOf({ type: 'window', retentionMs: 120_000, windowSizeMs: 10 }), cacheBytes: 0 },
  { about: 'behind a cache', spec: specOf({ type: 'window', retentionMs: 120_000, windowSizeMs: 10, caching: true }), cacheBytes: 10_000 },
])('a WindowCursor over a store $about', ({ spec, cacheBytes }) => {
  it('finds what fetch finds, one walk after the other', () => {
    fc.assert(fc.property(fc.array(put, { maxLength: 40 }), fc.array(walk, { minLength: 1, maxLength: 8 }), (puts, walks) => {
      const store = openStore(spec, new TestStoreHost(cacheBytes))
      const view = store.view as WindowStore<string, string>
      const cursor = new WindowCursor<string>()
      for (const { key, value, time, commits } of puts) {
        view.put(key, value, time)
        if (!commits) continue
        store.flush()
        store.commit()
      }
      for (const { key, from, span } of walks) expect(rowsOf(view, cursor, key, from, from + span)).toEqual([...view.fetch(key, from, from + span)])
    }))
  })
})
