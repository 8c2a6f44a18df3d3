import { expect, it } from 'vitest'
import { rangeAssignor, roundRobinAssignor } from '../../src/core/assignors.ts'

const member = (memberId: string, topics: readonly string[], groupInstanceId: string | null = null) => ({ memberId, groupInstanceId, topics, userData: null, ownedPartitions: [] })

it('range gives the first members one partition more when they do not divide evenly', () => {
  const assignment = rangeAssignor.assign({ members: [member('b', ['t']), member('a', ['t'])], partitionCounts: new Map([['t', 3]]) })
  expect(assignment.get('a')).toEqual([{ topic: 't', partition: 0 }, { topic: 't', partition: 1 }])
  expect(assignment.get('b')).toEqual([{ topic: 't', partition: 2 }])
})

it('round-robin passes over members that do not want the topic', () => {
  const members = [member('a', ['t', 'u']), member('b', ['u'])]
  const assignment = roundRobinAssignor.assign({ members, partitionCounts: new Map([['t', 2], ['u', 2]]) })
  expect(assignment.get('a')).toEqual([{ topic: 't', partition: 0 }, { topic: 't', partition: 1 }, { topic: 'u', partition: 1 }])
  expect(assignment.get('b')).toEqual([{ topic: 'u', partition: 0 }])
})

it('a topic that does not exist is given to nobody, and every member is answered', () => {
  for (const assignor of [rangeAssignor, roundRobinAssignor]) {
    expect(assignor.assign({ members: [member('a', ['missing'])], partitionCounts: new Map() })).toEqual(new Map([['a', []]]))
  }
})

it('range gives members what is near them, and keeps topics of the same members together', () => {
  const racks = [['r0'], ['r1'], ['r0'], ['r1']]
  const near = (memberId: string, rackId: string) => ({ ...member(memberId, ['t', 'u']), rackId })
  const partitionCounts = new Map([['t', 4], ['u', 4]])
  const input = { members: [near('a', 'r1'), near('b', 'r0')], partitionCounts, partitionRacks: new Map([['t', racks], ['u', racks]]) }
  expect(rangeAssignor.assign(input).get('a')!.map(({ topic, partition }) => `${topic}-${partition}`)).toEqual(['t-1', 't-3', 'u-1', 'u-3'])
})

it('static members come first, in the order of their names, whatever ids they were given', () => {
  const members = [member('a', ['t']), member('c', ['t'], 'second'), member('d', ['t'], 'first'), member('b', ['t'])]
  for (const assignor of [rangeAssignor, roundRobinAssignor]) {
    const assignment = assignor.assign({ members, partitionCounts: new Map([['t', 4]]) })
    const owners = [...assignment].flatMap(([memberId, partitions]) => partitions.map(({ partition }) => ({ memberId, partition })))
    expect(owners.toSorted((a, b) => a.partition - b.partition).map(({ memberId }) => memberId)).toEqual(['d', 'c', 'a', 'b'])
  }
})
