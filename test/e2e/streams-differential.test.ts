import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { stringSerde, systemClock } from '../../src/core/index.ts'
import { StreamsApp } from '../../src/streams/index.ts'
import type { StreamsConfig } from '../../src/streams/index.ts'
import { prepare, runOnce } from '../../src/streams/testing/simulate/simulated-run.ts'
import { expectedOf, experimentOf, fill, rawInputs, resultsOf, writtenBy } from '../kit/streams-differential.ts'
import type { Experiment } from '../kit/streams-differential.ts'
import { openMemoryBroker } from '../kit/streams-harness.ts'
import { topologyOf } from '../kit/streams-model-topology.ts'

/** How many random programs each way; MILLRACE_DIFFERENTIAL_RUNS for more, MILLRACE_DIFFERENTIAL_SEED to begin elsewhere. */
const runs = Number(process.env['MILLRACE_DIFFERENTIAL_RUNS'] ?? 30)
/** Each has up to 50 crashes and other faults, so fewer tell more. */
const simulated = Math.ceil(runs / 5)
const firstSeed = Number(process.env['MILLRACE_DIFFERENTIAL_SEED'] ?? 1)
/** Node 20 cannot run TypeScript in a thread: the built file is what runs there. */
const threadWorker = new URL('../../dist/src/streams/threads/thread-worker.js', import.meta.url)
/** Young enough for every topic's retention. */
const baseMs = systemClock.now() - 3_600_000
const partitions = 4

const experiments = (count: number) => Array.from({ length: count }, (_, index) => experimentOf(firstSeed + index, baseMs))
const textOf = (bytes: Uint8Array | null) => (bytes === null ? null : stringSerde.deserialize(bytes))
const named = ({ seed, program }: Experiment) => `seed ${seed}: ${JSON.stringify(program)}`

it(`${simulated} random programs give in the simulation, through crashes, power cuts and rebalances, what the test driver gives`, async () => {
  for (const experiment of experiments(simulated)) {
    const config = { cacheMaxBytes: experiment.seed % 2 === 0 ? 0 : 100_000 }
    const scenario = { topology: topologyOf(experiment.program), inputs: rawInputs(experiment), outputs: ['out'], config }
    const faults = new Set(['crash', 'rebalance', 'duplicate', 'reorder'] as const)
    const { outputs } = await runOnce(scenario, await prepare(scenario, partitions), { seed: experiment.seed, faults })
    const rows = outputs[0]!.map(({ key, value }) => ({ key: textOf(key), value: textOf(value) }))
    expect(resultsOf(experiment, rows), named(experiment)).toEqual(expectedOf(experiment))
  }
}, 300_000)

it(`${runs} random programs give in four partitions of a real log what the test driver gives`, async () => {
  for (const experiment of experiments(runs)) await runsAsExpected(experiment, {})
}, 300_000)

it('random programs give in four threads what the test driver gives', async () => {
  if (!existsSync(fileURLToPath(threadWorker))) throw new Error('build first: npm run build')
  for (const experiment of experiments(Math.ceil(runs / 10))) {
    await runsAsExpected(experiment, { threads: 4, threadWorker, topologyModule: new URL(`../kit/random-topology.mjs?seed=${experiment.seed}`, import.meta.url) })
  }
}, 300_000)

async function runsAsExpected(experiment: Experiment, options: Partial<StreamsConfig>): Promise<void> {
  const broker = await openMemoryBroker()
  try {
    await fill(broker, experiment, partitions)
    const app = new StreamsApp(topologyOf(experiment.program), { applicationId: 'app', broker, commitInterval: 10, cacheMaxBytes: experiment.seed % 2 === 0 ? 0 : 100_000, metricsRecordingLevel: experiment.seed % 3 === 0 ? 'trace' : 'info', ...options })
    await app.start()
    try {
      await app.caughtUp()
    } finally {
      await app.close()
    }
    expect(await writtenBy(broker, experiment), named(experiment)).toEqual(expectedOf(experiment))
  } finally {
    await broker.close()
  }
}
