import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MemberRewriter, overwriting } from '../../../src/connect/transforms/member-rewriter.ts'

const name = fc.oneof(fc.constantFrom('a', 'b', 'c', 'new', '__proto__', 'constructor', '1', '', 'é"'), fc.string({ maxLength: 4 }))
const members = fc.uniqueArray(fc.tuple(name, fc.integer()), { selector: ([key]) => key, maxLength: 6 }).map((entries) => Object.fromEntries(entries))
const objects = fc.array(members, { minLength: 1, maxLength: 12 })

/** Names in order, with what they hold. */
const entriesOf = (object: object) => Object.entries(object)

describe('MemberRewriter', () => {
  it('overwrites members where they stand and adds the others at the end, for objects of all shapes', () => {
    fc.assert(fc.property(objects, fc.array(name, { minLength: 1, maxLength: 3 }), (each, fields) => {
      const rewriter = new MemberRewriter(overwriting(fields))
      const values = fields.map((field) => `new ${field}`)
      for (const object of [...each, ...each]) {
        const expected = new Map<string, unknown>(entriesOf(object))
        for (const [index, field] of fields.entries()) expected.set(field, values[index])
        expect(entriesOf(rewriter.apply(object, values))).toEqual(entriesOf(Object.fromEntries(expected)))
      }
    }), { numRuns: 100 })
  })

  it('drops and renames members; of two that get one name the later one stays', () => {
    const rewriter = new MemberRewriter((names) => new Map(names.filter((each) => each !== 'secret').map((each) => [each === 'old' ? 'new' : each, each])))
    expect(entriesOf(rewriter.apply({ old: 1, secret: 2, new: 3, last: 4 }))).toEqual([['new', 3], ['last', 4]])
  })

  it('makes plain objects, and a member called __proto__ no prototype', () => {
    const made = new MemberRewriter(overwriting(['__proto__'])).apply({ a: 1 }, [{ admin: true }])
    expect(Object.getPrototypeOf(made)).toBe(Object.prototype)
    expect(entriesOf(made)).toEqual([['a', 1], ['__proto__', { admin: true }]])
  })

  it('leaves the object it is given as it is, and asks for a plan no more often than there are shapes', () => {
    const asked: string[] = []
    const rewriter = new MemberRewriter((names) => {
      asked.push(names.join())
      return overwriting(['b'])(names)
    })
    const given = Object.freeze({ a: 1, b: 2 })
    for (let round = 0; round < 5; round++) expect(rewriter.apply(given, [round])).toEqual({ a: 1, b: round })
    expect(rewriter.apply({ b: 1 }, [2])).toEqual({ b: 2 })
    expect(asked).toEqual(['a,b', 'b'])
  })

  it('goes on with as many shapes as there are objects', () => {
    const rewriter = new MemberRewriter(overwriting(['x']))
    for (let id = 0; id < 1_000; id++) expect(rewriter.apply({ [`m${id}`]: id }, [1])).toEqual({ [`m${id}`]: id, x: 1 })
  })
})
