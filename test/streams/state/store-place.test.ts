import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/core/index.ts'
import { DiskState } from '../../../src/streams/state/disk-state.ts'
import { loadLmdb } from '../../../src/streams/state/lmdb.ts'
import { openStore } from '../../../src/streams/state/open-store.ts'
import type { OpenStore } from '../../../src/streams/state/open-store.ts'
import type { StoreSpec } from '../../../src/streams/topology/node.ts'
import { TestStoreHost } from './store-host.ts'
import { kinds, write } from './store-kinds.ts'

const persistent = [
  ...kinds.filter(({ spec }) => spec.persistent),
  ...kinds.filter(({ spec }) => spec.type === 'timestamped-window' && spec.persistent).map((kind) => ({ ...kind, spec: { ...kind.spec, timeOrdered: true } })),
]

describe.each(persistent)('a store of type $spec.type on disk (duplicates: $spec.retainDuplicates, by time: $spec.timeOrdered)', ({ spec, put, content }) => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-place-'))
  let disk: DiskState
  const open = async () => { disk = new DiskState({ lmdb: await loadLmdb(), directory, syncs: false, clock: systemClock }) }
  beforeAll(open)
  afterAll(async () => {
    await disk.close()
    rmSync(directory, { recursive: true, force: true })
  })
  let stores = 0

  const step = fc.oneof(
    { weight: 12, arbitrary: fc.record({ do: fc.constant('put' as const), write }) },
    { weight: 2, arbitrary: fc.constant({ do: 'commit' as const }) },
    { weight: 1, arbitrary: fc.constant({ do: 'rollback' as const }) },
    { weight: 1, arbitrary: fc.constant({ do: 'open again' as const }) },
  )

  it('has and logs what one in memory does, over commits, rollbacks and when it is opened again', () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const named = { ...spec, name: `s${stores++}` }
      const host = Object.assign(new TestStoreHost(), { disk })
      const twinHost = new TestStoreHost()
      const twin = openStore(named, twinHost)
      let store = openStore(named, host)
      for (const next of steps) {
        if (next.do === 'put') for (const [each, its] of [[store, host], [twin, twinHost]] as const) {
          its.at(next.write[2])
          put(each, next.write)
        }
        else if (next.do === 'rollback') for (const each of [store, twin]) each.rollback()
        else {
          for (const each of [store, twin]) each.flush()
          disk.transaction(() => store.commit())
          twin.commit()
          if (next.do === 'open again') store = openStore(named, host)
        }
        expect(content(store)).toEqual(content(twin))
      }
      expect(host.logged).toEqual(twinHost.logged)
    }), { numRuns: 15 })
  })

  it('is empty after a wipe, also when it is opened again', async () => {
    const named: StoreSpec = { ...spec, name: 'wiped' }
    const fresh = content(openStore({ ...named, name: 'fresh' }, new TestStoreHost()))
    const host = Object.assign(new TestStoreHost(), { disk })
    const store: OpenStore = openStore(named, host)
    for (const key of ['a', 'b']) put(store, [key, 'x', 390])
    put(store, ['a', 'y', 400])
    store.commit()
    expect(content(store)).not.toEqual(fresh)
    store.wipe!()
    expect(content(store)).toEqual(fresh)
    await disk.close()
    await open()
    const again = openStore(named, Object.assign(new TestStoreHost(), { disk }))
    expect(content(again)).toEqual(fresh)
  })
})

