/**
 * npm run conformance -- [DIR]
 *
 * Runs the recorded vectors of DIR (default: test/vectors) and prints one line a group, `streams/window: 12 of 15`, the first
 * difference of every case that fails, what is pending, and the total. Exit code 1 when a case fails.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ConformanceGroups } from '../test/conformance/case-result.ts'
import { reportConformance } from '../test/conformance/report.ts'
import { vectorAreas, vectorsDirectory } from '../test/kit/vectors.ts'
import type { VectorArea } from '../test/kit/vectors.ts'

/** The adapter modules of test/conformance, by area. */
const adapterNames = { 'streams': ['streams'], 'connect': ['connect'], 'connect-random': ['connect'], 'connect-runtime': ['connect-runtime'], 'core': ['core', 'core-engine'] } as const

/** One after the other: modules that jiti loads at the same time see each other half loaded. */
async function loadAdapters(): Promise<Record<VectorArea, ConformanceGroups[]>> {
  const adapters: Record<VectorArea, ConformanceGroups[]> = { 'streams': [], 'connect': [], 'connect-random': [], 'connect-runtime': [], 'core': [] }
  for (const area of vectorAreas) {
    for (const name of adapterNames[area]) adapters[area].push(((await import(`../test/conformance/${name}.ts`)) as { groups: ConformanceGroups }).groups)
  }
  return adapters
}

const directory = resolve(process.argv[2] ?? vectorsDirectory)
if (vectorAreas.some((area) => existsSync(`${directory}/${area}`))) {
  const counts = await reportConformance(directory, await loadAdapters(), (line) => process.stdout.write(`${line}\n`))
  process.exitCode = counts.failed > 0 ? 1 : 0
} else {
  process.stderr.write(`${directory} has none of ${vectorAreas.join(', ')}; give a folder of recorded vectors\n`)
  process.exitCode = 2
}
