import { describe, expect, it } from 'vitest'
import type { AssignmentInput, Assignor } from '../../src/core/broker.ts'
import { seededRandom, randomInteger } from '../../src/core/random.ts'
import type { Random } from '../../src/core/random.ts'
import type { TopicPartition } from '../../src/core/record.ts'
import { cooperativeStickyAssignor, stickyAssignor } from '../../src/core/sticky-assignors.ts'

type Member = AssignmentInput['members'][number]
type Division = ReadonlyMap<string, readonly TopicPartition[]>

const name = ({ topic, partition }: TopicPartition) => `${topic}-${partition}`
const names = (partitions: readonly TopicPartition[] = []) => partitions.map(name)

function member(memberId: string, topics: readonly string[], last: { readonly partitions: readonly TopicPartition[]; readonly generation: number } | null = null, assignor: Assignor = stickyAssignor): Member {
  const owned = assignor === cooperativeStickyAssignor && last !== null ? { ownedPartitions: last.partitions, generation: last.generation } : { ownedPartitions: [] }
  return { memberId, groupInstanceId: null, topics, userData: assignor.userData!(topics, last), ...owned }
}

/** Rebalances as real members would: each brings along what it had. */
function rebalance(assignor: Assignor, wanted: ReadonlyMap<string, readonly string[]>, partitionCounts: ReadonlyMap<string, number>, before: Division, generation: number): Division {
  const members = [...wanted].map(([memberId, topics]) => member(memberId, topics, before.has(memberId) ? { partitions: before.get(memberId)!, generation } : null, assignor))
  return assignor.assign({ members, partitionCounts })
}

it('a member that joins takes as little as it needs, and everything else stays where it was', () => {
  const counts = new Map([['t', 7]])
  const two = rebalance(stickyAssignor, new Map([['a', ['t']], ['b', ['t']]]), counts, new Map(), 0)
  const three = rebalance(stickyAssignor, new Map([['a', ['t']], ['b', ['t']], ['c', ['t']]]), counts, two, 1)
  const stayed = ['a', 'b'].flatMap((memberId) => names(three.get(memberId)).filter((kept) => names(two.get(memberId)).includes(kept)))
  expect([...three.values()].map(({ length }) => length).sort((a, b) => a - b)).toEqual([2, 2, 3])
  expect(stayed).toHaveLength(5)
})

it('a cooperative division gives nothing away that another member still has, and the next one does', () => {
  const counts = new Map([['t', 4]])
  const wanted = new Map([['a', ['t']], ['b', ['t']]])
  const alone = rebalance(cooperativeStickyAssignor, new Map([['a', ['t']]]), counts, new Map(), 0)
  const first = rebalance(cooperativeStickyAssignor, wanted, counts, alone, 1)
  expect(first.get('a')).toHaveLength(2)
  expect(first.get('b')).toEqual([])
  expect(names(rebalance(cooperativeStickyAssignor, wanted, counts, first, 2).get('b'))).toEqual(names(alone.get('a')).filter((had) => !names(first.get('a')).includes(had)))
})

it('bytes of user data that nobody can read claim nothing', () => {
  const broken: Member = { ...member('a', ['t']), userData: Uint8Array.of(0, 0, 0, 9, 1) }
  expect(names(stickyAssignor.assign({ members: [broken], partitionCounts: new Map([['t', 2]]) }).get('a'))).toEqual(['t-0', 't-1'])
})

it('a partition that is gone is not kept, whoever claims it', () => {
  const owner = member('a', ['t'], { partitions: [{ topic: 't', partition: 5 }, { topic: 't', partition: 0 }], generation: 1 })
  expect(names(stickyAssignor.assign({ members: [owner], partitionCounts: new Map([['t', 2]]) }).get('a')).sort()).toEqual(['t-0', 't-1'])
})

it('a former owner that does not want the topic any more does not get it back', () => {
  const old = member('old', ['u'], { partitions: [{ topic: 't', partition: 0 }], generation: 1 })
  const owner = member('owner', ['t', 'u'], { partitions: [{ topic: 't', partition: 0 }, { topic: 't', partition: 1 }, { topic: 'u', partition: 0 }], generation: 2 })
  const division = stickyAssignor.assign({ members: [old, owner, member('new', ['t'])], partitionCounts: new Map([['t', 2], ['u', 1]]) })
  expect(names(division.get('old')).filter((kept) => kept.startsWith('t-'))).toEqual([])
})

describe.each([stickyAssignor, cooperativeStickyAssignor])('$name, over random histories', (assignor) => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('gives every partition to one member that wants it, once the group stands still (seed %i)', (seed) => {
    const random = seededRandom(seed)
    const counts = new Map(['t1', 't2', 't3'].map((topic) => [topic, randomInteger(random, 9)]))
    let division: Division = new Map()
    for (let generation = 1; generation <= 10; generation++) {
      const wanted = randomSubscriptions(random, [...counts.keys()])
      division = settle(assignor, wanted, counts, division, generation * 10)
      expectWhole(division, wanted, counts)
    }
  })
})

/** What a member does not keep it gives up, and the next rebalance gives it on, until nothing is held back any more. */
function settle(assignor: Assignor, wanted: ReadonlyMap<string, readonly string[]>, counts: ReadonlyMap<string, number>, before: Division, generation: number): Division {
  const first = rebalance(assignor, wanted, counts, before, generation)
  const assigned = [...first.values()].flat().length
  const wantedCount = [...new Set([...wanted.values()].flat())].reduce((sum, topic) => sum + counts.get(topic)!, 0)
  return assigned === wantedCount || generation % 10 === 9 ? first : settle(assignor, wanted, counts, first, generation + 1)
}

function randomSubscriptions(random: Random, topics: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const alike = randomInteger(random, 2) === 0
  return new Map(Array.from({ length: 1 + randomInteger(random, 6) }, (_, index) => [`m${index}`, topics.filter(() => alike || randomInteger(random, 3) > 0)]))
}

function expectWhole(division: Division, wanted: ReadonlyMap<string, readonly string[]>, counts: ReadonlyMap<string, number>): void {
  const all = [...wanted.values()].flat()
  const expected = [...counts].filter(([topic]) => all.includes(topic)).flatMap(([topic, count]) => Array.from({ length: count }, (_, partition) => `${topic}-${partition}`))
  expect([...division.values()].flatMap(names).sort()).toEqual(expected.sort())
  for (const [memberId, partitions] of division) for (const { topic } of partitions) expect(wanted.get(memberId)).toContain(topic)
}
