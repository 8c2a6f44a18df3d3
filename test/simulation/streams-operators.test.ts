/**
 * Operators against a model that is plain arrays, recomputed from scratch: random records, late and out of order, over
 * random numbers of partitions and sizes of caches, with a restart in the middle. The failing seed is printed; MILLRACE_SEED repeats one.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { longSerde, stringSerde } from '../../src/core/index.ts'
import { StreamsBuilder } from '../../src/streams/streams-builder.ts'
import { TopologyTestDriver } from '../../src/streams/testing/index.ts'
import { topic } from '../../src/streams/topic.ts'
import { hopping, joinWithin, session } from '../../src/streams/windows.ts'

interface Step {
  readonly topic: 'left' | 'right'
  readonly key: string
  readonly value: string | null
  readonly timestamp: number
}

const text = { key: stringSerde, value: stringSerde }
const left = topic('left', text)
const right = topic('right', text)
const output = topic('out', text)
const everything = 1_000_000
const seed = process.env['MILLRACE_SEED']
const runs = { numRuns: 60, ...(seed === undefined ? {} : { seed: Number(seed) }) }

/** A slow clock with steps back, few keys: everything meets everything. */
function steps(values: readonly (string | null)[], topics: readonly Step['topic'][] = ['left']): fc.Arbitrary<readonly Step[]> {
  const step = fc.record({
    topic: fc.constantFrom(...topics),
    key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    value: fc.constantFrom(...values),
    advance: fc.integer({ min: -12, max: 8 }),
  })
  return fc.array(step, { maxLength: 40 }).map((list) => {
    let time = 50
    return list.map(({ advance, ...rest }) => ({ ...rest, timestamp: (time = Math.max(0, time + advance)) }))
  })
}

function run({ restartAt, ...place }: Place, build: (builder: StreamsBuilder) => void, input: readonly Step[]): TopologyTestDriver {
  const builder = new StreamsBuilder({ defaultKey: stringSerde as never, defaultValue: stringSerde as never })
  build(builder)
  const driver = new TopologyTestDriver(builder.build(), place)
  for (const [index, { topic: name, ...record }] of input.entries()) {
    if (index === restartAt) driver.restart()
    driver.inputTopic(name === 'left' ? left : right).pipe(record)
  }
  return driver
}

interface Place {
  readonly partitions: number
  /** 0: no caches; 500: rows are pushed out all the time. */
  readonly cacheMaxBytes: number
  /** Before this record everything in memory is lost; -1: never. */
  readonly restartAt: number
}

/** What a final table must not depend on. */
const places = fc.record({ partitions: fc.constantFrom(1, 3), cacheMaxBytes: fc.constantFrom(0, 500, everything), restartAt: fc.integer({ min: -1, max: 30 }) })
const onePlace: Place = { partitions: 1, cacheMaxBytes: 0, restartAt: -1 }

/** The table that a changelog of text ends with. */
function tableOf(driver: TopologyTestDriver): readonly string[] {
  return [...driver.outputTopic(output).readToMap()].flatMap(([key, value]) => (value === null ? [] : [`${key}=${value}`])).sort(compare)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Rows after the last write of each key. */
function latest(input: readonly Step[], name: Step['topic']): ReadonlyMap<string, string> {
  const rows = new Map<string, string>()
  for (const { topic: other, key, value } of input) {
    if (other !== name) continue
    if (value === null) rows.delete(key)
    else rows.set(key, value)
  }
  return rows
}

describe('operators and a naive model agree', () => {
  it('about counts by another key, through a repartition topic', () => {
    fc.assert(fc.property(steps(['x', 'y', 'z', 'xx']), places, (input, place) => {
      const driver = run(place, (builder) => {
        builder.stream(left).groupBy((value) => value).count().toStream().mapValues(String).to(output)
      }, input)
      const counts = new Map<string, number>()
      for (const { value } of input) counts.set(value!, (counts.get(value!) ?? 0) + 1)
      expect(tableOf(driver)).toEqual([...counts].map(([key, count]) => `${key}=${count}`).sort(compare))
    }), runs)
  })

  it('about hopping windows with late records', () => {
    const [size, advance, grace] = [10, 4, 3]
    fc.assert(fc.property(steps(['x', null]), (input) => {
      const driver = run(onePlace, (builder) => {
        builder.stream(left).groupByKey().windowedBy(hopping(size, { advance, grace })).count()
          .toStream().selectKey((_count, { key, start }) => `${key}@${start}`).mapValues(String).to(output)
      }, input)
      const expected: string[] = []
      let dropped = 0
      const counts = new Map<string, number>()
      input.forEach(({ key, timestamp }, index) => {
        const now = Math.max(...input.slice(0, index + 1).map((step) => step.timestamp))
        for (let start = 0; start <= timestamp; start += advance) {
          if (start + size <= timestamp) continue
          if (start + size <= now - grace) {
            dropped++
            continue
          }
          const window = `${key}@${start}`
          counts.set(window, (counts.get(window) ?? 0) + 1)
          expected.push(`${window}=${counts.get(window)}`)
        }
      })
      expect(driver.outputTopic(output).readAll().map(({ key, value }) => `${key}=${value}`)).toEqual(expected)
      expect(driver.droppedRecords).toBe(dropped)
    }), runs)
  })

  it('about sessions, in whatever order their records come', () => {
    fc.assert(fc.property(steps(['x']), places, (input, place) => {
      const driver = run(place, (builder) => {
        builder.stream(left).groupByKey().windowedBy(session(5, { grace: everything })).count()
          .toStream().selectKey((_count, { key, start, end }) => `${key}@${start}-${end}`).mapValues((count) => (count === null ? null : `${count}`)).to(output)
      }, input)
      expect(tableOf(driver)).toEqual(sessionsOf(input, 5).sort(compare))
    }), runs)
  })

  it.each(['join', 'leftJoin', 'outerJoin'] as const)('about the %s of two tables', (kind) => {
    fc.assert(fc.property(steps(['x', 'y', null], ['left', 'right']), places, (input, place) => {
      const joiner = (a: string | null, b: string | null) => `${a}+${b}`
      const driver = run(place, (builder) => {
        builder.table(left)[kind](builder.table(right), joiner).toStream().to(output)
      }, input)
      const [lefts, rights] = [latest(input, 'left'), latest(input, 'right')]
      const expected = [...new Set([...lefts.keys(), ...rights.keys()])].flatMap((key) => {
        const [a, b] = [lefts.get(key) ?? null, rights.get(key) ?? null]
        const isThere = kind === 'join' ? a !== null && b !== null : kind === 'leftJoin' ? a !== null : true
        return isThere ? [`${key}=${joiner(a, b)}`] : []
      })
      expect(tableOf(driver)).toEqual(expected.sort(compare))
    }), runs)
  })

  it.each(['joinOn', 'leftJoinOn'] as const)('about the foreign-key %s of two tables', (kind) => {
    const values = ['a', 'b', 'c', 'nobody', '', null]
    fc.assert(fc.property(steps(values, ['left', 'right']), places, (input, place) => {
      const joiner = (a: string, b: string | null) => `${a}+${b}`
      const driver = run(place, (builder) => {
        builder.table(left)[kind](builder.table(right), (row) => (row === '' ? null : row), joiner).toStream().to(output)
      }, input)
      const rights = latest(input, 'right')
      const expected = [...latest(input, 'left')].flatMap(([key, value]) => {
        const other = rights.get(value) ?? null
        return other === null && kind === 'joinOn' ? [] : [`${key}=${joiner(value, other)}`]
      })
      expect(tableOf(driver)).toEqual(expected.sort(compare))
    }), runs)
  })

  it.each(['join', 'leftJoin', 'outerJoin'] as const)('about the %s of two streams', (kind) => {
    fc.assert(fc.property(steps(['x', 'y'], ['left', 'right']), (input) => {
      const end: readonly Step[] = [{ topic: 'left', key: 'end', value: 'end', timestamp: 10 * everything }, { topic: 'right', key: 'end', value: 'end', timestamp: 10 * everything }]
      const joiner = (a: string | null, b: string | null) => `${a}+${b}`
      const driver = run(onePlace, (builder) => {
        const options = { within: joinWithin(6, { grace: everything }) }
        const [a, b] = [builder.stream(left), builder.stream(right)]
        const joined = kind === 'join' ? a.join(b, joiner, options) : kind === 'leftJoin' ? a.leftJoin(b, joiner, options) : a.outerJoin(b, joiner, options)
        joined.to(output)
      }, [...input, ...end])
      const found = driver.outputTopic(output).readAll().map(({ key, value, timestamp }) => `${key}=${value}@${timestamp}`)
      expect(found.filter((row) => !row.startsWith('end=')).sort(compare)).toEqual(pairsOf(input, kind, 6).sort(compare))
    }), runs)
  })

  it('about sums of a grouped table, whose rows move between groups', () => {
    fc.assert(fc.property(steps(['g1', 'g2', 'h3', null]), places, (input, place) => {
      const driver = run(place, (builder) => {
        builder.table(left).groupBy((value) => [value.slice(0, 1), Number(value.slice(1))] as [string, number], { value: longSerde })
          .aggregate(() => 0, (sum, value) => sum + value, (sum, value) => sum - value, { value: longSerde })
          .toStream().mapValues(String).to(output)
      }, input)
      const sums = new Map([...new Set(input.flatMap(({ value }) => (value === null ? [] : [value.slice(0, 1)])))].map((group) => [group, 0]))
      for (const value of latest(input, 'left').values()) sums.set(value.slice(0, 1), sums.get(value.slice(0, 1))! + Number(value.slice(1)))
      expect(tableOf(driver)).toEqual([...sums].map(([group, sum]) => `${group}=${sum}`).sort(compare))
    }), runs)
  })
})

function sessionsOf(input: readonly Step[], gap: number): string[] {
  return [...new Set(input.map(({ key }) => key))].flatMap((key) => {
    const times = input.filter((step) => step.key === key).map(({ timestamp }) => timestamp).sort((a, b) => a - b)
    const sessions: number[][] = []
    for (const time of times) {
      const last = sessions.at(-1)
      if (last !== undefined && time - last.at(-1)! <= gap) last.push(time)
      else sessions.push([time])
    }
    return sessions.map((list) => `${key}@${list[0]}-${list.at(-1)}=${list.length}`)
  })
}

function pairsOf(input: readonly Step[], kind: 'join' | 'leftJoin' | 'outerJoin', difference: number): string[] {
  const [lefts, rights] = (['left', 'right'] as const).map((name) => input.filter((step) => step.topic === name)) as [Step[], Step[]]
  const meets = (a: Step, b: Step) => a.key === b.key && Math.abs(a.timestamp - b.timestamp) <= difference
  const pairs = lefts.flatMap((a) => rights.filter((b) => meets(a, b)).map((b) => `${a.key}=${a.value}+${b.value}@${Math.max(a.timestamp, b.timestamp)}`))
  const lonelyLefts = lefts.filter((a) => !rights.some((b) => meets(a, b))).map((a) => `${a.key}=${a.value}+null@${a.timestamp}`)
  const lonelyRights = rights.filter((b) => !lefts.some((a) => meets(a, b))).map((b) => `${b.key}=null+${b.value}@${b.timestamp}`)
  return [...pairs, ...(kind === 'join' ? [] : lonelyLefts), ...(kind === 'outerJoin' ? lonelyRights : [])]
}
