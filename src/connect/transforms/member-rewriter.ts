/** Plain objects made of plain objects: members kept, renamed, dropped, overwritten and added, by code made for each shape. */
import { compiled, memberSource, ShapeTable } from '../shape-table.ts'
import type { Members } from './sides.ts'

/** The members to make, in order: of which member each takes its value, or the index of the value that comes along. */
export type MemberPlan = ReadonlyMap<string, string | number>

type Rewrite = (members: Members, values: readonly unknown[]) => Record<string, unknown>

const noValues: readonly unknown[] = []

export class MemberRewriter {
  readonly #plan: (names: readonly string[]) => MemberPlan
  readonly #rewrites: ShapeTable<Rewrite>

  /** `plan` is asked with the names of an object's members, once for each shape. */
  constructor(plan: (names: readonly string[]) => MemberPlan) {
    this.#plan = plan
    this.#rewrites = new ShapeTable((names) => rewriteOf(plan(names)))
  }

  apply(members: Members, values: readonly unknown[] = noValues): Record<string, unknown> {
    const rewrite = this.#rewrites.of(members)
    return rewrite === undefined ? carriedOut(this.#plan(Object.keys(members)), members, values) : rewrite(members, values)
  }
}

/** Members as they are, but for `fields`, which get the values that come along: where they stand, or at the end. */
export function overwriting(fields: readonly string[]): (names: readonly string[]) => MemberPlan {
  return (names) => new Map<string, string | number>([...names.map((name) => [name, name] as const), ...fields.map((field, index) => [field, index] as const)])
}

function rewriteOf(plan: MemberPlan): Rewrite {
  const members = [...plan].map(([name, from]) => memberSource(name, typeof from === 'number' ? `values[${from}]` : `members[${JSON.stringify(from)}]`))
  return compiled<Rewrite>(`(members, values) => ({${members.join(',')}})`) ?? ((from, values) => carriedOut(plan, from, values))
}

function carriedOut(plan: MemberPlan, members: Members, values: readonly unknown[]): Record<string, unknown> {
  const made: Record<string, unknown> = {}
  for (const [name, from] of plan) setMember(made, name, typeof from === 'number' ? values[from] : members[from])
  return made
}

/** Sets a member of an object under construction; a name that would reach its prototype becomes a member like any other. */
function setMember(members: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') Object.defineProperty(members, name, { value, enumerable: true, configurable: true, writable: true })
  else members[name] = value
}
