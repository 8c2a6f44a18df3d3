/**
 * What a record costs when the compiler has come to an end and nothing disturbs: a run is cut into slices of some milliseconds, runs are repeated for a
 * bounded time, and the median and the fastest slice are told beside the first run, which began cold.
 */
export interface SteadyCase {
  readonly name: string
  /** One run, from a new task to its end; `slice` is to be called with each part of it, which answers how many records it had; 0: it is too short to count. */
  readonly run: (slice: Slice) => void
  /** As many values as a slice of the case has records: what the speed is a ratio of. */
  readonly against: { readonly name: string; readonly records: number; readonly run: () => void }
}

type Slice = (work: () => number) => void

export interface SteadyResult {
  readonly name: string
  readonly slices: number
  /** ns a record, from the first slice to the last of the first run. */
  readonly cold: number
  readonly median: number
  readonly best: number
  readonly recordsPerSecond: { readonly median: number; readonly best: number }
  /** Of the calibration, ns a value. */
  readonly calibration: { readonly name: string; readonly median: number; readonly best: number }
  /** Speed of the case over speed of the calibration. */
  readonly ratio: { readonly median: number; readonly best: number }
}

const warmUpMs = 1_000
const measureMs = Number(process.env['MILLRACE_BENCH_MS'] ?? 3_000)

/** Prints the line. */
export function benchSteady({ name, run, against }: SteadyCase): SteadyResult {
  const began = performance.now()
  const first = runSlices(run)
  while (performance.now() - began < warmUpMs) {
    runSlices(run)
    against.run()
  }
  const slices: number[] = []
  const calibrations: number[] = []
  const measured = performance.now()
  while (performance.now() - measured < measureMs) {
    const before = slices.length
    slices.push(...runSlices(run))
    for (let index = before; index < slices.length; index += 8) {
      const start = performance.now()
      against.run()
      calibrations.push(nanosecondsSince(start) / against.records)
    }
  }
  const [median, best] = middleAndLeast(slices)
  const [parseMedian, parseBest] = middleAndLeast(calibrations)
  const result = {
    name, slices: slices.length, cold: rounded(first.reduce((sum, slice) => sum + slice, 0) / first.length), median: rounded(median), best: rounded(best),
    recordsPerSecond: { median: rounded(1e9 / median), best: rounded(1e9 / best) },
    calibration: { name: against.name, median: rounded(parseMedian), best: rounded(parseBest) },
    ratio: { median: rounded(parseMedian / median), best: rounded(parseBest / best) },
  }
  console.log(JSON.stringify(result))
  return result
}

/** ns a record of each slice. */
function runSlices(run: SteadyCase['run']): readonly number[] {
  const slices: number[] = []
  run((work) => {
    const start = performance.now()
    const records = work()
    if (records > 0) slices.push(nanosecondsSince(start) / records)
  })
  return slices
}

function nanosecondsSince(start: number): number {
  return (performance.now() - start) * 1e6
}

function middleAndLeast(values: readonly number[]): readonly [number, number] {
  const sorted = values.toSorted((a, b) => a - b)
  return [sorted[sorted.length >> 1]!, sorted[0]!]
}

function rounded(value: number): number {
  return Number(value.toPrecision(4))
}
