import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import { distribute, taskAssignor, taskPlans } from '../../../src/streams/runtime/assignor.ts'
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
  const member = (memberId: string, tasks: readonly string[]) => ({
    memberId, groupInstanceId: null, topics: [], ownedPartitions: [], userData: taskAssignor(topology(), 'app', () => tasks).userData!([], null),
  })

  it('gives every partition to one member, tasks whole', () => {
    const assignment = taskAssignor(topology(), 'app', () => []).assign({ members: [member('x', []), member('y', [])], partitionCounts: counts })
    const all = [...assignment.values()].flat().map((input) => `${input.topic}-${input.partition}`).sort()
    expect(all).toEqual(['a-0', 'a-1', 'app-c-repartition-0', 'app-c-repartition-1', 'app-c-repartition-2'])
    expect([...assignment.values()].map((inputs) => inputs.length).toSorted((a, b) => a - b)).toEqual([2, 3])
  })

  it('leaves a task where its state is', () => {
    const assignment = taskAssignor(topology(), 'app', () => []).assign({ members: [member('x', ['1_2', '1_1']), member('y', ['0_0'])], partitionCounts: counts })
    expect(assignment.get('x')!.map((input) => input.partition)).toEqual(expect.arrayContaining([2, 1]))
    expect(assignment.get('y')!.map((input) => `${input.topic}-${input.partition}`)).toContain('a-0')
  })

  it('is not confused by what another program sent along', () => {
    const stranger = { ...member('x', []), userData: new Uint8Array([255, 1]) }
    const assignment = taskAssignor(topology(), 'app', () => []).assign({ members: [stranger], partitionCounts: counts })
    expect(assignment.get('x')!.length).toBe(5)
  })

  it('is fair, complete, and moves only what fairness needs', () => {
    const tasks = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 20 })
    const owned = fc.array(fc.array(fc.nat(19), { maxLength: 20 }), { minLength: 1, maxLength: 5 })
    fc.assert(fc.property(tasks, owned, (names, owners) => {
      const members = owners.map((indexes, index) => ({ member: `m${index}`, tasks: indexes.flatMap((task) => names[task] ?? []) }))
      const owner = distribute(names, members)
      expect([...owner.keys()].sort()).toEqual([...names].sort())
      const loads = members.map(({ member: name }) => [...owner.values()].filter((given) => given === name).length)
      expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1)
      const again = distribute(names, members.map(({ member: name }) => ({ member: name, tasks: names.filter((task) => owner.get(task) === name) })))
      expect(Object.fromEntries(again)).toEqual(Object.fromEntries(owner))
    }))
  })
})
