/**
 * From the start of a process to an open log that is ready for its first record, to the record's acknowledgement, and the memory that it
 * has then; and what an application of streams and the console take until they are loaded. Calibrated by a process that does nothing, in
 * turns with them: `own…` is what a start takes beyond that. None has NODE_EXTRA_CA_CERTS, whose certificates Node would parse at each start
 * (70 ms for a system's usual ones). `node dist/bench/start.js`: the medians of ten processes.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setExtraCertificatesAside } from '../test/kit/extra-certificates.ts'
import { benchDirectory } from './harness.ts'
import type { Started } from './start-log.ts'

function median(values: readonly number[]): number {
  return Number(values.toSorted((a, b) => a - b)[values.length >> 1]!.toPrecision(3))
}

/** Milliseconds that the process itself counts, as ours does, when it has loaded these modules. */
function loadingMs(...modules: readonly string[]): number {
  const program = modules.map((module) => `import ${JSON.stringify(new URL(module, import.meta.url).href)};`).join('')
  return Number(spawnSync(process.execPath, ['--input-type=module', '-e', `${program}console.log(performance.now())`], { encoding: 'utf8' }).stdout)
}

function measure(directory: string): void {
  const script = fileURLToPath(new URL('./start-log.js', import.meta.url))
  const runs: Started[] = []
  const loading: Record<'emptyProcessMs' | 'streamsMs' | 'consoleMs', number>[] = []
  for (let i = 0; i < 10; i++) {
    runs.push(JSON.parse(spawnSync(process.execPath, [script, directory], { encoding: 'utf8' }).stdout) as Started)
    loading.push({ emptyProcessMs: loadingMs(), streamsMs: loadingMs('../src/streams/index.js'), consoleMs: loadingMs('../src/cli/topics-command.js') })
  }
  const emptyProcessMs = median(loading.map((each) => each.emptyProcessMs))
  const own = (values: readonly number[]) => Number((median(values) - emptyProcessMs).toPrecision(3))
  const keys = ['loadedMs', 'readyMs', 'firstRecordMs', 'cpuMs', 'rssMb'] as const
  console.log(JSON.stringify({ name: 'start', ...Object.fromEntries(keys.map((key) => [key, median(runs.map((run) => run[key]))])), emptyProcessMs, ownReadyMs: own(runs.map(({ readyMs }) => readyMs)) }))
  console.log(JSON.stringify({ name: 'start-streams-loaded', emptyProcessMs, ownMs: own(loading.map(({ streamsMs }) => streamsMs)) }))
  console.log(JSON.stringify({ name: 'start-console-loaded', emptyProcessMs, ownMs: own(loading.map(({ consoleMs }) => consoleMs)) }))
}

setExtraCertificatesAside(process.env)
const directory = benchDirectory()
try {
  measure(join(directory.path, 'data'))
} finally {
  directory.remove()
}
