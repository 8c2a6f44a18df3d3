import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import { taskAssignor, taskPlans } from '../../../src/streams/runtime/assignor.ts'
import { decodeLeaderData } from '../../../src/streams/runtime/member-data.ts'
import type { MemberData } from '../../../src/streams/runtime/member-data.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { topic } from '../../../src/streams/topic.ts'

function topology() {
  const builder = new StreamsBuilder()
  builder.stream(topic('a', { key: stringSerde, value: stringSerde })).groupBy((value) => value).count({ store: 'c' })
  return builder.build()
}

const counts = new Map([['a', 2], ['app-c-repartition', 3]])

describe('the tasks of a topology', () => {
  it('are one per sub-topology and partition', () => {
    expect(taskPlans(topology(), 'app', counts).map(({ taskId, inputs }) => [taskId, ...inputs.map((input) => `${input.topic}-${input.partition}`)])).toEqual([
      ['0_0', 'a-0'], ['0_1', 'a-1'], ['1_0', 'app-c-repartition-0'], ['1_1', 'app-c-repartition-1'], ['1_2', 'app-c-repartition-2'],
    ])
  })
})

describe('the assignor', () => {
  const at = (instance: string, tasks: readonly string[], more: Partial<MemberData> = {}): MemberData => {
    return { instance, active: new Map(tasks.map((task) => [task, { lag: 0, size: 5 }])), standby: new Map(), endpoint: null, asksShutdown: false, ...more }
  }
  const assignorOf = (self: MemberData, standbyReplicas = 0) => taskAssignor({
    topology: topology(), applicationId: 'app', rules: { standbyReplicas, acceptableRecoveryLag: 10, maxWarmupReplicas: 2 }, self: () => self,
  })
  const member = (memberId: string, tasks: readonly string[], more: Partial<MemberData> = {}) => ({
    memberId, groupInstanceId: null, topics: [], ownedPartitions: [], userData: assignorOf(at(memberId, tasks, more)).userData!([], null),
  })
  const leader = assignorOf(at('x', []))

  it('gives every partition to one member, tasks whole', () => {
    const assignment = leader.assign({ members: [member('x', []), member('y', [])], partitionCounts: counts })
    const all = [...assignment.values()].flat().map((input) => `${input.topic}-${input.partition}`).sort()
    expect(all).toEqual(['a-0', 'a-1', 'app-c-repartition-0', 'app-c-repartition-1', 'app-c-repartition-2'])
    expect([...assignment.values()].map((inputs) => inputs.length).toSorted((a, b) => a - b)).toEqual([2, 3])
  })

  it('leaves a task where its state is', () => {
    const assignment = leader.assign({ members: [member('x', ['1_2', '1_1']), member('y', ['0_0'])], partitionCounts: counts })
    expect(assignment.get('x')!.map((input) => input.partition)).toEqual(expect.arrayContaining([2, 1]))
    expect(assignment.get('y')!.map((input) => `${input.topic}-${input.partition}`)).toContain('a-0')
  })

  it('is not confused by what another program sent along', () => {
    const stranger = { ...member('x', []), userData: new Uint8Array([255, 1]) }
    const assignment = leader.assign({ members: [stranger], partitionCounts: counts })
    expect(assignment.get('x')!.length).toBe(5)
  })

  it('tells each member which stores to follow, and everyone where they can be asked', () => {
    const members = [member('x', ['1_0', '1_1', '1_2'], { endpoint: 'x:1' }), member('y', ['0_0', '0_1'], { endpoint: 'y:1' })]
    const data = new Map([...assignorOf(at('x', []), 1).assignedData!({ members, partitionCounts: counts })].map(([memberId, bytes]) => [memberId, decodeLeaderData(bytes)]))
    expect(data.get('y')!.standbys).toEqual(['1_0', '1_1', '1_2'])
    expect(data.get('x')).toMatchObject({ standbys: [], shutdown: 'none' })
    for (const { standbyEndpoints } of data.values()) expect(Object.fromEntries(standbyEndpoints)).toEqual({ '1_0': ['y:1'], '1_1': ['y:1'], '1_2': ['y:1'] })
  })

  it('passes the wish of one member to end the application on to all', () => {
    const asking = { asksShutdown: true }
    const heardBy = (...members: readonly ReturnType<typeof member>[]) => [...leader.assignedData!({ members, partitionCounts: counts }).values()].map((bytes) => decodeLeaderData(bytes).shutdown)
    expect(heardBy(member('x', []), member('y', [], asking))).toEqual(['asked', 'asked'])
    expect(heardBy(member('x', [], asking), member('y', [], asking))).toEqual(['known', 'known'])
    expect(heardBy(member('x', [], asking))).toEqual(['known'])
    expect(heardBy(member('x', []), member('y', []))).toEqual(['none', 'none'])
  })
})
