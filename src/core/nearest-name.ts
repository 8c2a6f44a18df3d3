import { StreamError } from './errors.ts'

const maxTypedLength = 200

/** The known name that was probably meant: few edits away, or undefined when nothing is close. */
export function nearestName(typed: string, known: Iterable<string>): string | undefined {
  if (typed.length > maxTypedLength) return undefined
  let best: string | undefined
  let bestEdits = Math.max(2, Math.floor(typed.length / 3)) + 1
  for (const name of known) {
    const edits = editDistance(normalise(typed), normalise(name), bestEdits)
    if (edits < bestEdits) [best, bestEdits] = [name, edits]
  }
  return best
}

/** `batch_size`, `batchSize` and `batch.size` are the same mistake. */
function normalise(name: string): string {
  return name.replace(/([a-z])([A-Z])/g, '$1.$2').replace(/[_-]/g, '.').toLowerCase()
}

/** Insertions, deletions, replacements and swaps of neighbours; `limit` when there are at least that many. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let edits = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) edits = Math.min(edits, beforeLast[j - 2]! + 1)
      row.push(edits)
    }
    if (Math.min(...row) >= limit) return limit
    ;[beforeLast, last] = [last, row]
  }
  return last[b.length]!
}

/** `; did you mean 'x'?` for the end of a sentence, or nothing. */
export function didYouMean(typed: string, known: Iterable<string>): string {
  const nearest = nearestName(typed, known)
  return nearest === undefined ? '' : `; did you mean '${nearest}'?`
}

/**
 * For programs that no compiler has checked, where an option that is misspelt would be ignored. `known` has every option, so that
 * the compiler finds a list that falls behind its type. @throws INVALID_ARGUMENT
 */
export function checkOptions<T extends object>(what: string, options: T, known: Readonly<Record<keyof T, true>>): void {
  const unknown = Object.keys(options).find((option) => !Object.hasOwn(known, option))
  if (unknown === undefined) return
  const names = Object.keys(known)
  throw new StreamError('INVALID_ARGUMENT', `${what} has no option ${JSON.stringify(unknown)}${didYouMean(unknown, names) || '.'} There are ${names.join(', ')}`)
}
