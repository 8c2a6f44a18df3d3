import { describe, expect, it } from 'vitest'
import { assign } from '../../../../src/connect/runtime/herder/assignment.ts'
import type { Assignment, AssignmentInput } from '../../../../src/connect/runtime/herder/assignment.ts'

const urls = (...ids: readonly string[]) => new Map(ids.map((id) => [id, `http://${id}`]))
const units = ['a', 'a\n0', 'a\n1', 'b', 'b\n0', 'b\n1']

function next(previous: Assignment | null, change: Partial<AssignmentInput>): Assignment {
  return assign({ previous, leader: 'x', generation: 1, workers: urls('x'), units, nowMs: 0, maxDelayMs: 1000, ...change })
}

const shares = ({ workers }: Assignment) => Object.fromEntries(Object.entries(workers).map(([id, share]) => [id, share.units.length]))
const all = ({ workers, lost }: Assignment) => [...Object.values(workers).flatMap((share) => share.units), ...Object.values(lost).flat()].toSorted()

describe('the work of a cluster', () => {
  it('is one worker\'s when there is one', () => {
    expect(shares(next(null, {}))).toEqual({ x: 6 })
  })

  it('moves to a worker that joins in two rounds: taken from one, then given to the other', () => {
    const alone = next(null, {})
    const revoking = next(alone, { workers: urls('x', 'y') })
    expect(revoking).toMatchObject({ isRevoking: true })
    expect(shares(revoking)).toEqual({ x: 3, y: 0 })
    const balanced = next(revoking, { workers: urls('x', 'y') })
    expect(balanced).toMatchObject({ isRevoking: false })
    expect(shares(balanced)).toEqual({ x: 3, y: 3 })
    expect([alone, revoking, balanced].map(({ sequence }) => sequence)).toEqual([1, 2, 3])
    expect(all(balanced)).toEqual(units.toSorted())
  })

  it('is divided by connectors and by tasks, so that no worker has all that move records', () => {
    const named = ['a', 'b', 'c', 'd', 'e', 'f']
    let state = next(null, { workers: urls('x', 'y'), units: [] })
    // as they come when they are made one after the other: each plans its task once it runs
    for (let count = 1; count <= named.length; count++) {
      const before = named.slice(0, count - 1).flatMap((name) => [name, `${name}\n0`])
      state = next(state, { workers: urls('x', 'y'), units: [...before, named[count - 1]!] })
      state = next(state, { workers: urls('x', 'y'), units: [...before, named[count - 1]!, `${named[count - 1]!}\n0`] })
    }
    const tasks = ({ workers }: Assignment) => Object.values(workers).map((share) => share.units.filter((unit) => unit.includes('\n')).length)
    expect(tasks(state)).toEqual([3, 3])
    const lopsided = { ...state, workers: { x: { url: 'http://x', units: named }, y: { url: 'http://y', units: named.map((name) => `${name}\n0`) } } }
    const wanted = { workers: urls('x', 'y'), units: Object.values(lopsided.workers).flatMap((share) => share.units) }
    const mended = next(next(lopsided, wanted), wanted)
    expect(tasks(mended)).toEqual([3, 3])
    expect(shares(mended)).toEqual({ x: 6, y: 6 })
  })

  it('waits for a worker that went, and gives it back what it had', () => {
    const both = next(next(next(null, {}), { workers: urls('x', 'y') }), { workers: urls('x', 'y') })
    const gone = next(both, { workers: urls('x'), nowMs: 100 })
    expect(gone).toMatchObject({ delayUntil: 1100, lost: { y: both.workers['y']!.units } })
    expect(shares(gone)).toEqual({ x: 3 })
    const back = next(gone, { workers: urls('x', 'y'), nowMs: 200 })
    expect(back).toMatchObject({ delayUntil: null, lost: {} })
    expect(back.workers).toEqual(both.workers)
  })

  it('goes to the others when the worker stays away', () => {
    const both = next(next(next(null, {}), { workers: urls('x', 'y') }), { workers: urls('x', 'y') })
    const gone = next(both, { workers: urls('x'), nowMs: 100 })
    expect(shares(next(gone, { workers: urls('x'), nowMs: 1099 }))).toEqual({ x: 3 })
    expect(shares(next(gone, { workers: urls('x'), nowMs: 1100 }))).toEqual({ x: 6 })
    expect(shares(next(both, { workers: urls('x'), maxDelayMs: 0 }))).toEqual({ x: 6 })
  })

  it('loses what was removed, and nothing runs twice, whatever happens in whatever order', () => {
    const ids = ['x', 'y', 'z']
    let state: Assignment | null = null
    for (let step = 0; step < 500; step++) {
      const present = ids.filter((_, index) => (step * 7 + index * 13) % 5 > 0)
      const wanted = units.filter((_, index) => (step * 3 + index * 11) % 7 > 0)
      const made: Assignment = next(state, { workers: urls(...(present.length === 0 ? ['x'] : present)), units: wanted, nowMs: step * 300 })
      const given = all(made)
      expect(new Set(given).size).toBe(given.length)
      expect(given.every((unit) => wanted.includes(unit))).toBe(true)
      if (!made.isRevoking) expect(given).toEqual(wanted.toSorted())
      state = made
    }
  })
})
