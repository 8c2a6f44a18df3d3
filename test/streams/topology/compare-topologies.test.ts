import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { longSerde, stringSerde } from '../../../src/core/index.ts'
import { StreamsBuilder, compareTopologies, hopping, losesState, parseSummary, summaryOf, topic, tumbling } from '../../../src/streams/index.ts'
import type { BuildOptions, TimeWindows } from '../../../src/streams/index.ts'

const orders = topic('orders', { key: z.string(), value: z.object({ shop: z.string(), total: z.number() }) })
const users = topic('users', { key: z.string(), value: z.string() })

function summary(write: (builder: StreamsBuilder) => void, options: BuildOptions = {}) {
  const builder = new StreamsBuilder()
  write(builder)
  return summaryOf(builder.build(options))
}

const counting = (store?: string) => summary((builder) => {
  builder.stream(orders).groupBy((order) => order.shop).count(store === undefined ? {} : { store })
})
const windowed = (windows: TimeWindows, retention?: '1d') => summary((builder) => {
  builder.stream(orders).groupByKey().windowedBy(windows).count({ store: 'windows', ...(retention && { retention }) })
})
const found = (before: ReturnType<typeof summary>, after: ReturnType<typeof summary>) => compareTopologies(before, after).map(({ kind, what, name }) => `${kind} ${what} ${name}`)

describe('the comparison of a deployed topology with the next one', () => {
  it('finds that nothing is lost where nothing has changed', () => {
    const changes = compareTopologies(counting('counts'), counting('counts'))
    expect(changes).toEqual([{ kind: 'restored', what: 'store', name: 'counts', consequence: 'goes on with its rows' }])
    expect(losesState(changes)).toBe(false)
  })

  it('finds what a new name leaves behind', () => {
    const changes = compareTopologies(counting('counts'), counting('totals'))
    expect(changes.map(({ kind, what, name }) => `${kind} ${what} ${name}`)).toEqual([
      'orphaned store counts', 'orphaned repartition topic counts-repartition', 'repartitioned repartition topic totals-repartition', 'new store totals',
    ])
    expect(losesState(changes)).toBe(true)
  })

  it('says which numbered store is meant where an operator before it has moved the numbers', () => {
    const shifted = summary((builder) => {
      const stream = builder.stream(orders).filter((order) => order.total > 0)
      stream.groupBy((order) => order.shop).count()
    })
    const [orphaned] = compareTopologies(counting(), shifted)
    expect(orphaned).toMatchObject({ kind: 'orphaned', what: 'store', name: 'KSTREAM-AGGREGATE-STATE-STORE-0000000002' })
    expect(orphaned!.consequence).toContain('if KSTREAM-AGGREGATE-STATE-STORE-0000000003 is meant to be the same')
  })

  it('finds rows that would be misread: another kind of store, other formats, other windows', () => {
    const table = summary((builder) => void builder.table(users, { store: 'windows' }))
    expect(found(windowed(tumbling('1m')), table)).toContain('incompatible store windows')
    const longs = summary((builder) => void builder.table(topic('users', { key: stringSerde, value: longSerde }), { store: 'users' }))
    const texts = summary((builder) => void builder.table(topic('users', { key: stringSerde, value: stringSerde }), { store: 'users' }))
    expect(compareTopologies(longs, texts)).toEqual([{ kind: 'incompatible', what: 'store', name: 'users', consequence: 'its values were written as long, and are read as string' }])
    expect(compareTopologies(windowed(tumbling('1m')), windowed(tumbling('5m')))).toMatchObject([{ kind: 'incompatible', consequence: expect.stringContaining('60000 ms long') as string }])
    expect(found(windowed(tumbling('1m')), windowed(hopping('1m', { advance: '30s' })))).toEqual(['restored store windows'])
    expect(compareTopologies(windowed(tumbling('1m')), windowed(tumbling('1m'), '1d'))[0]!.consequence).toContain('keeps rows for another time')
  })

  it('finds changelogs that come and go', () => {
    const kept = (logging: boolean, options?: BuildOptions) => summary((builder) => void builder.table(users, { store: 'users', logging }), options)
    expect(found(kept(true), kept(false))).toEqual(['orphaned store users'])
    expect(found(kept(false), kept(true))).toEqual(['new store users'])
    expect(found(kept(true), kept(true, { optimization: 'all' }))).toEqual(['incompatible store users'])
  })

  it('finds new and lost inputs, fixed partitions and global stores', () => {
    const before = summary((builder) => {
      builder.stream(orders).repartition({ name: 'by-shop', partitions: 2 }).forEach(() => {})
    })
    const after = summary((builder) => {
      builder.stream(users).forEach(() => {})
      builder.globalTable(topic('rates', { key: z.string(), value: z.number() }), { store: 'rates' })
      builder.stream(orders).repartition({ name: 'by-shop', partitions: 4 }).forEach(() => {})
    })
    expect(found(before, after)).toEqual(['incompatible repartition topic by-shop-repartition', 'new input topic users', 'new global store rates'])
    expect(found(after, before)).toContain('orphaned input topic users')
  })

  it('reads what it saved, and refuses what it did not', () => {
    expect(parseSummary(JSON.stringify(counting('counts')))).toEqual(counting('counts'))
    expect(() => parseSummary('{"format":"other"}')).toThrow(/no saved topology/)
    expect(() => parseSummary('not json')).toThrow(/is JSON/)
  })
})
