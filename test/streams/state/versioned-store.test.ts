import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import { inMemory } from '../../../src/streams/state/store-place.ts'
import type { StorePlace } from '../../../src/streams/state/store-place.ts'
import { VersionedStore, notPut, validForever } from '../../../src/streams/state/versioned-store.ts'

const historyMs = 50

interface Version {
  readonly timestamp: number
  readonly value: string | null
}

/** What the store is, said plainly: all versions of a key, for ever. */
class PlainVersions {
  readonly #versions = new Map<string, Version[]>()
  #observedTime = -1

  put(key: string, value: string | null, timestamp: number): number {
    if (timestamp < this.#observedTime - historyMs) return notPut
    this.#observedTime = Math.max(this.#observedTime, timestamp)
    const others = (this.#versions.get(key) ?? []).filter((version) => version.timestamp !== timestamp)
    this.#versions.set(key, [...others, { timestamp, value }].sort((a, b) => a.timestamp - b.timestamp))
    return others.find((version) => version.timestamp > timestamp)?.timestamp ?? validForever
  }

  getAsOf(key: string, asOf: number) {
    const versions = this.#versions.get(key) ?? []
    const index = versions.findLastIndex(({ timestamp }) => timestamp <= asOf)
    const found = versions[index]
    const isLatest = index === versions.length - 1
    if (found === undefined || found.value === null || (!isLatest && asOf < this.#observedTime - historyMs)) return null
    return { value: found.value, timestamp: found.timestamp, validTo: isLatest ? null : versions[index + 1]!.timestamp }
  }
}

function storeOn(place: StorePlace): VersionedStore<string, string> {
  return new VersionedStore(place, { keySerde: stringSerde, valueSerde: stringSerde, historyMs, onPut: () => {}, onExpired: () => {} })
}

const keys = ['', 'a', 'ab', 'b']
/** From 0 on: sources drop what is earlier, and -1 stands for versions that are valid for ever, as upstream. */
const put = fc.tuple(fc.constantFrom(...keys), fc.option(fc.constantFrom('', 'x', 'y')), fc.integer({ min: 0, max: 200 }))

describe('VersionedStore', () => {
  it('answers as a list of all versions would, for every time, whatever the order of the puts', () => {
    fc.assert(fc.property(fc.array(put, { maxLength: 60 }), (puts) => {
      const store = storeOn(inMemory)
      const plain = new PlainVersions()
      for (const [index, step] of puts.entries()) {
        expect(store.put(...step)).toBe(plain.put(...step))
        if (index % 7 === 0) store.commit()
        for (const key of keys) for (let asOf = -21; asOf <= 201; asOf += 13) expect(store.getAsOf(key, asOf)).toEqual(plain.getAsOf(key, asOf))
      }
    }), { numRuns: 60 })
  })

  it('keeps no more versions than its history has, and no key that was deleted before it', () => {
    const tables = new Map(['rows', 'history', 'order'].map((name) => [name, inMemory.table('rows')]))
    const store = storeOn({ ...inMemory, table: (name) => tables.get(name)! })
    for (let time = 0; time < 5_000; time++) store.put('often', `at ${time}`, time)
    for (let time = 0; time < 100; time++) store.put(`gone ${time}`, 'x', 5_000)
    for (let time = 0; time < 100; time++) store.put(`gone ${time}`, null, 5_001)
    store.put('often', 'at last', 6_000)
    store.commit()
    expect(Object.fromEntries([...tables].map(([name, rows]) => [name, rows.count()]))).toEqual({ rows: 1, history: 1, order: 1 })
  })
})
