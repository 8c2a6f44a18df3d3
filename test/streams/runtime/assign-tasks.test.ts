import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assignTasks } from '../../../src/streams/runtime/assign-tasks.ts'
import type { AssignmentRules, MemberToAssign, TaskAssignment, TaskToAssign } from '../../../src/streams/runtime/assign-tasks.ts'

const rules: AssignmentRules = { standbyReplicas: 0, acceptableRecoveryLag: 100, maxWarmupReplicas: 2 }
const tasks = (count: number): readonly TaskToAssign[] => Array.from({ length: count }, (_, index) => ({ taskId: `0_${index}`, hasState: true }))

function member(name: string, active: readonly string[], standby: Readonly<Record<string, number>> = {}): MemberToAssign {
  return {
    member: name,
    instance: name,
    active: new Map(active.map((taskId) => [taskId, { lag: 0, size: 1_000 }])),
    standby: new Map(Object.entries(standby).map(([taskId, lag]) => [taskId, { lag, size: 1_000 }])),
  }
}

const activeOf = (division: ReadonlyMap<string, TaskAssignment>, name: string) => division.get(name)!.active

describe('the division of tasks', () => {
  it('leaves a task where its state is, and warms a copy up where it is to go', () => {
    const division = assignTasks(tasks(4), [member('a', ['0_0', '0_1', '0_2', '0_3']), member('b', [])], rules)
    expect(activeOf(division, 'a')).toHaveLength(4)
    expect(division.get('b')).toMatchObject({ active: [], standby: ['0_2', '0_3'], warmUp: ['0_2', '0_3'] })
  })

  it('moves it when the copy has caught up', () => {
    const division = assignTasks(tasks(4), [member('a', ['0_0', '0_1', '0_2', '0_3']), member('b', [], { '0_0': 100, '0_3': 7 })], rules)
    expect([activeOf(division, 'a'), activeOf(division, 'b')]).toEqual([['0_1', '0_2'], ['0_0', '0_3']])
  })

  it('does not make more copies at a time than are allowed', () => {
    const division = assignTasks(tasks(10), [member('a', tasks(10).map(({ taskId }) => taskId)), member('b', [])], { ...rules, maxWarmupReplicas: 3 })
    expect(division.get('b')!.warmUp).toHaveLength(3)
    expect(division.get('b')!.active).toEqual([])
  })

  it('moves at once what is no more to restore than is acceptable, and what has no state', () => {
    const small = { ...member('a', []), active: new Map(tasks(2).map(({ taskId }) => [taskId, { lag: 0, size: 100 }])) }
    expect(activeOf(assignTasks(tasks(2), [small, member('b', [])], rules), 'b')).toEqual(['0_1'])
    const stateless = tasks(2).map((task) => ({ ...task, hasState: false }))
    expect(activeOf(assignTasks(stateless, [member('a', ['0_0', '0_1']), member('b', [])], rules), 'b')).toEqual(['0_1'])
  })

  it('gives the tasks of a member that is gone to those who followed their stores', () => {
    const division = assignTasks(tasks(3), [member('a', ['0_0'], { '0_2': 5 }), member('b', [], { '0_1': 3, '0_2': 50 })], rules)
    expect([activeOf(division, 'a'), activeOf(division, 'b')]).toEqual([['0_0', '0_2'], ['0_1']])
  })

  it('gives a task whose stores nobody has to somebody', () => {
    const division = assignTasks(tasks(2), [member('a', []), member('b', [])], rules)
    expect([...division.values()]).toEqual([{ active: ['0_0'], standby: [], warmUp: [] }, { active: ['0_1'], standby: [], warmUp: [] }])
  })

  it('keeps the copies of a task in different instances, threads of one instance among them', () => {
    const threads = ['a', 'b', 'c', 'c'].map((instance, index) => ({ ...member(`m${index}`, []), instance }))
    const division = assignTasks(tasks(4), threads, { ...rules, standbyReplicas: 2 })
    for (const { taskId } of tasks(4)) {
      const instances = threads.filter(({ member: name }) => [...division.get(name)!.active, ...division.get(name)!.standby].includes(taskId)).map(({ instance }) => instance)
      expect(instances.sort()).toEqual(['a', 'b', 'c'])
    }
  })

  const inputs = fc.record({
    stateful: fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
    members: fc.array(fc.record({ instance: fc.constantFrom('a', 'b', 'c', 'd'), active: fc.array(fc.nat(11)), standby: fc.array(fc.tuple(fc.nat(11), fc.nat(300))) }), { minLength: 1, maxLength: 5 }),
    standbyReplicas: fc.nat(2),
    maxWarmupReplicas: fc.integer({ min: 1, max: 3 }),
  })

  it('ends balanced, with its standbys, when copies catch up and nobody comes or goes; and moves nothing then', () => {
    fc.assert(fc.property(inputs, ({ stateful, members: wanted, ...limits }) => {
      const all = stateful.map((hasState, index) => ({ taskId: `0_${index}`, hasState }))
      let members: readonly MemberToAssign[] = withoutDoubles(all, wanted)
      const settings = { ...rules, ...limits }
      let division = assignTasks(all, members, settings)
      for (let round = 0; round < 30; round++) {
        expect([...division.values()].flatMap(({ active }) => active).sort()).toEqual(all.map(({ taskId }) => taskId).sort())
        expect([...division.values()].flatMap(({ warmUp }) => warmUp).length).toBeLessThanOrEqual(settings.maxWarmupReplicas)
        members = members.map((before) => afterwards(before, division.get(before.member)!))
        division = assignTasks(all, members, settings)
      }
      const loads = [...division.values()].map(({ active }) => active.length)
      expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1)
      const instances = new Set(members.map(({ instance }) => instance)).size
      for (const { taskId, hasState } of all) {
        const copies = [...division.values()].filter(({ standby }) => standby.includes(taskId)).length
        expect(copies).toBe(hasState ? Math.min(settings.standbyReplicas, instances - 1) : 0)
      }
      expect([...division.values()].flatMap(({ warmUp }) => warmUp)).toEqual([])
      expect(assignTasks(all, members.map((before) => afterwards(before, division.get(before.member)!)), settings)).toEqual(division)
    }))
  })
})

/** A task runs with one member at most. */
function withoutDoubles(all: readonly TaskToAssign[], wanted: readonly { readonly instance: string; readonly active: readonly number[]; readonly standby: readonly (readonly [number, number])[] }[]): readonly MemberToAssign[] {
  const taken = new Set<string>()
  return wanted.map(({ instance, active, standby }, index) => {
    const own = active.flatMap((task) => all[task]?.taskId ?? []).filter((taskId) => !taken.has(taskId) && taken.add(taskId))
    const followed = standby.flatMap(([task, lag]) => (all[task]?.hasState === true && !own.includes(all[task].taskId) ? [[all[task].taskId, lag] as const] : []))
    return { ...member(`m${index}`, own, Object.fromEntries(followed)), instance }
  })
}

/** Everything has caught up. */
function afterwards(before: MemberToAssign, { active, standby }: TaskAssignment): MemberToAssign {
  return { ...member(before.member, active, Object.fromEntries(standby.map((taskId) => [taskId, 0]))), instance: before.instance }
}
