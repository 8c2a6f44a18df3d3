/**
 * Runs one promise of speed at a time and prints it as one line of JSON. A figure says little on another machine, so each is
 * also given as a ratio to a calibration that ran in between, on the same disk and with the same bytes.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface BenchCase {
  readonly name: string
  /** Of one run. */
  readonly records: number
  readonly bytes: number
  /** One run; the time that counts is between calling it and its end. */
  run(): void | Promise<void>
  readonly against: Calibration
  /** Before each run, not timed. */
  prepare?(): void | Promise<void>
}

/** The fastest thing that the case could be, for as many records or bytes. */
export interface Calibration {
  readonly name: string
  /** One run, as long as the machine would take at least; may answer the seconds itself. */
  run(): void | number | Promise<void | number>
  prepare?(): void | Promise<void>
}

export interface BenchResult {
  readonly name: string
  readonly records: number
  readonly bytes: number
  readonly seconds: number
  readonly cpuSeconds: number
  readonly cpuMicrosPerRecord: number
  /** The first run in the process, which is not among those that count. */
  readonly coldSeconds: number
  /** Speed of the case over speed of the calibration: 1 is as fast, 0.5 takes twice as long. */
  readonly ratio: number
  /** The same of CPU seconds, which a busy machine disturbs less; null where the calibration answered its seconds itself. */
  readonly cpuRatio: number | null
  readonly against: string
}

interface Timing {
  readonly seconds: number
  readonly cpuSeconds: number
}

const warmUps = 2
const repetitions = 5

/** The median of five runs, each followed by one of the calibration; prints the line. */
export async function bench(benchCase: BenchCase): Promise<BenchResult> {
  const runs: Timing[] = []
  let cold: Timing | null = null
  const calibrations: Timing[] = []
  for (let i = 0; i < warmUps + repetitions; i++) {
    await benchCase.prepare?.()
    const timing = await timed(() => benchCase.run())
    cold ??= timing
    await benchCase.against.prepare?.()
    const calibration = await timed(() => benchCase.against.run())
    if (i < warmUps) continue
    runs.push(timing)
    calibrations.push(calibration)
  }
  const seconds = median(runs.map((run) => run.seconds))
  const cpuSeconds = median(runs.map((run) => run.cpuSeconds))
  const limit = median(calibrations.map((run) => run.seconds))
  const cpuLimit = median(calibrations.map((run) => run.cpuSeconds))
  const { name, records, bytes } = benchCase
  const result = { name, records, bytes, seconds: rounded(seconds), cpuSeconds: rounded(cpuSeconds), cpuMicrosPerRecord: rounded((cpuSeconds * 1e6) / records), coldSeconds: rounded(cold!.seconds), ratio: rounded(limit / seconds), cpuRatio: cpuLimit > 0 ? rounded(cpuLimit / cpuSeconds) : null, against: benchCase.against.name }
  console.log(JSON.stringify(result))
  return result
}

async function timed(run: () => void | number | Promise<void | number>): Promise<Timing> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  const answered = await run()
  const { user, system } = process.cpuUsage(cpu)
  if (typeof answered === 'number') return { seconds: answered, cpuSeconds: 0 }
  return { seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6 }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}

function rounded(value: number): number {
  return Number(value.toPrecision(4))
}

/** An empty directory for one bench, removed by `remove`, or when the bench fails or is asked to end. Under MILLRACE_BENCH_DIR, else under the system's temporary directory. */
export function benchDirectory(): { readonly path: string; empty(): void; remove(): void } {
  const path = mkdtempSync(join(process.env['MILLRACE_BENCH_DIR'] ?? tmpdir(), 'millrace-bench-'))
  const remove = () => rmSync(path, { recursive: true, force: true })
  process.once('exit', remove)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  return { path, remove, empty: () => (remove(), mkdirSync(path)) }
}
