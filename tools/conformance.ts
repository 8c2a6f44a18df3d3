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

/** The adapter modules of test/conformance, by area. */
const adapterNames = { streams: ['streams'], connect: ['connect'], core: ['core', 'core-engine'] } as const

async function loadAdapters(names: readonly string[]): Promise<readonly ConformanceGroups[]> {
  const urls = names.map((name) => new URL(`../test/conformance/${name}.ts`, import.meta.url)).filter((url) => existsSync(url))
  return Promise.all(urls.map(async (url) => ((await import(url.href)) as { groups: ConformanceGroups }).groups))
}

const directory = resolve(process.argv[2] ?? vectorsDirectory)
if (vectorAreas.some((area) => existsSync(`${directory}/${area}`))) {
  const [streams, connect, core] = await Promise.all(vectorAreas.map((area) => loadAdapters(adapterNames[area])))
  const adapters = { streams: streams!, connect: connect!, core: core! }
  const counts = await reportConformance(directory, adapters, (line) => process.stdout.write(`${line}\n`))
  process.exitCode = counts.failed > 0 ? 1 : 0
} else {
  process.stderr.write(`${directory} has none of ${vectorAreas.join(', ')}; give a folder of recorded vectors\n`)
  process.exitCode = 2
}
