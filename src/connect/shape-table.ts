/**
 * Code made for plain objects of one shape: the same members in the same order, as the values of a topic mostly are. Such code names
 * the members, so V8 reads and makes them as if somebody had written it for them; a loop over names takes several times as long.
 */
import { compileFunction } from 'node:vm'

export type PlainMembers = Readonly<Record<string, unknown>>

/** Shapes that one table knows at a time. */
const maxShapes = 8
/** Objects with more members are no records, and code for them would be large. */
const maxMembers = 64
const maxNameCharacters = 2048
/** Shapes learned before anything is used, and uses that allow one more: objects whose names are data must not keep the compiler busy. */
const learnedAtFirst = 32
const usesPerShape = 256

/** How many shapes may still be learned; shared by tables that belong together. */
export class LearningBudget {
  #left = learnedAtFirst
  #uses = 0

  used(): void {
    if (++this.#uses < usesPerShape) return
    this.#uses = 0
    if (this.#left < learnedAtFirst) this.#left++
  }

  take(): boolean {
    return this.#left > 0 && this.#left-- > 0
  }
}

interface Shape<T> {
  readonly names: readonly string[]
  readonly made: T
}

/** What was made for each of the shapes seen last. */
export class ShapeTable<T> {
  readonly #make: (names: readonly string[]) => T
  readonly #budget: LearningBudget
  /** The oldest first. */
  readonly #shapes: Shape<T>[] = []

  constructor(make: (names: readonly string[]) => T, budget: LearningBudget = new LearningBudget()) {
    this.#make = make
    this.#budget = budget
  }

  /** Undefined where nothing is made for such objects: too many members, or too many shapes. */
  of(members: PlainMembers): T | undefined {
    for (const { names, made } of this.#shapes) {
      if (!hasNames(members, names)) continue
      this.#budget.used()
      return made
    }
    return this.#learn(Object.keys(members))
  }

  #learn(names: readonly string[]): T | undefined {
    if (names.length > maxMembers || names.join('').length > maxNameCharacters || !this.#budget.take()) return undefined
    const made = this.#make(names)
    if (this.#shapes.length === maxShapes) this.#shapes.shift()
    this.#shapes.push({ names, made })
    return made
  }
}

/** Own members only: inherited ones, which nobody's data has, are a difference. */
function hasNames(members: PlainMembers, names: readonly string[]): boolean {
  let index = 0
  for (const name in members) if (name !== names[index++]) return false
  return index === names.length
}

type Maker = (...given: readonly unknown[]) => unknown

/** Sources whose code is kept. */
const maxMakers = 128
const makers = new Map<string, Maker>()

/** The function that `source` gives. Made of the same source again it begins with the machine code there is: a connector that restarts is fast at once. Null where no code may be made at run time. */
export function compiled<F>(source: string, given: Readonly<Record<string, unknown>> = {}): F | null {
  try {
    return makerOf(source, Object.keys(given))(...Object.values(given)) as F
  } catch {
    return null
  }
}

function makerOf(source: string, names: readonly string[]): Maker {
  const key = `${names.join()}:${source}`
  const known = makers.get(key)
  if (known !== undefined) return known
  const made = compileFunction(`return ${source}`, [...names]) as Maker
  if (makers.size >= maxMakers) for (const oldest of makers.keys()) { makers.delete(oldest); break }
  makers.set(key, made)
  return made
}

/** A member of an object literal; written as a name, `__proto__` would be the prototype. */
export function memberSource(name: string, value: string): string {
  return `${name === '__proto__' ? '["__proto__"]' : JSON.stringify(name)}:${value}`
}
