/** Records for the program of the README, and the counts that it must come to. */

const dayMs = 86_400_000
/** The beginning of yesterday: a log takes nothing from the future, and its retention goes by the time of events. */
const startMs = (Math.floor(Date.now() / dayMs) - 1) * dayMs
const stepMs = 2_000
const minuteMs = 60_000

const pathOf = (index: number) => (index % 3 === 0 ? '/b' : '/a')
const statusOf = (index: number) => (index % 10 === 9 ? 500 : 200)
const timeOf = (index: number) => startMs + index * stepMs

/** The lines number `from` to `to - 1`, in the order of their times. */
export function hitLines(from: number, to: number): string {
  const indexes = Array.from({ length: to - from }, (_, index) => index + from)
  return indexes.map((index) => `${JSON.stringify({ path: pathOf(index), status: statusOf(index), at: timeOf(index) })}\n`).join('')
}

/** Hits per path and minute among the first `total` lines, failed ones left out. */
export function plainCounts(total: number): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (let index = 0; index < total; index++) {
    const key = countKey(pathOf(index), timeOf(index))
    if (statusOf(index) < 500) counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}

/** The last count of each window in what `millrace consume --property print.key=true` printed of `hits-per-minute`. */
export function printedCounts(output: string): Readonly<Record<string, number>> {
  const lines = output.trimEnd().split('\n')
  return Object.fromEntries(lines.map((line) => {
    const [key, count] = line.split('\t')
    const { key: path, start } = JSON.parse(key!) as { readonly key: string; readonly start: number }
    return [countKey(path, start), Number(count)]
  }))
}

function countKey(path: string, timeMs: number): string {
  return `${path} in minute ${Math.floor((timeMs - startMs) / minuteMs)}`
}
