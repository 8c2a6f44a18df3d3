import { checkOptions, randomInteger, systemRandom } from '../../../core/index.ts'
import type { TaskConfig } from '../../runtime/task-config.ts'
import { noHeaders } from '../../stream-record.ts'
import type { Topic } from '../../topic.ts'
import type { TopologyData } from '../../topology/node.ts'
import type { RawRecord } from '../simulation.ts'
import type { TestInput } from '../test-topics.ts'
import { faultKinds, prepare, runOnce } from './simulated-run.ts'
import type { FaultKind, RunResult, Scenario } from './simulated-run.ts'
import type { FilledDisk } from './simulated-topics.ts'

/** All records of one input topic, in the order of writing. */
export interface SimulationInput {
  readonly topic: string
  readonly records: readonly Omit<RawRecord, 'partition'>[]
}

export interface SimulateOptions extends TaskConfig {
  readonly inputs: readonly SimulationInput[]
  /** Topics whose content must be the same. Default: every topic that the topology names as a sink, its own internal ones left out. Those that records choose have to be named. */
  readonly outputs?: readonly string[]
  /** Of the first run; each further one takes the next number. Default: by chance; a failure says which it was. */
  readonly seed?: number
  /** Runs with faults, up to 50 in each. Default 10. */
  readonly rounds?: number
  /** Of every topic, in the runs with faults. Default 4. With 1 the comparison of 1 and N partitions is left out. */
  readonly partitions?: number
  /** `latest` (default): the last value of every key. `every`: all values of a key, in order, with their timestamps. */
  readonly compare?: 'latest' | 'every'
  /** An instance dies, and another takes over with what the log has; or the power goes, at any operation on the disk, and everything begins again. Default true. */
  readonly crash?: boolean
  /** A StreamTask moves to an instance without its stores, which restores them. Default true. */
  readonly rebalance?: boolean
  /** An instance that lost a StreamTask without knowing works on, and tries to commit: the log refuses. Default true. */
  readonly duplicate?: boolean
  /** Parts of the topology run in any order, as they do in production, so records of two partitions reach a third in any order. Default false: it changes results that depend on such an order, rightly. */
  readonly reorder?: boolean
  /** The wall clock jumps, forward or back, by up to a day, and punctuators run. Default true. */
  readonly clockJump?: boolean
}

const simulateOptions = {
  inputs: true, outputs: true, seed: true, rounds: true, partitions: true, compare: true, crash: true, rebalance: true, duplicate: true, reorder: true, clockJump: true,
  onDeserializationError: true, onProcessingError: true, onSerializationError: true, deadLetterTopic: true, cacheMaxBytes: true, metricsRecordingLevel: true,
} as const

export interface SimulationReport {
  readonly runs: number
  readonly seed: number
  /** Over all runs. */
  readonly faults: Readonly<Record<FaultKind, number>>
}

/** A run that gave another result than the one without faults. `seed` makes it again. */
export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure'
  readonly seed: number

  constructor(message: string, seed: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.seed = seed
  }
}

/** The records of one topic, for `simulate`. A record without a timestamp has 0. */
export function simulationInput<K, V>({ name, keySerde, valueSerde }: Topic<K, V>, records: readonly TestInput<K, V>[]): SimulationInput {
  return {
    topic: name,
    records: records.map(({ key = null, value, timestamp = 0, headers = noHeaders }) => ({
      topic: name, key: key === null ? null : keySerde.serialize(key), value: value === null ? null : valueSerde.serialize(value), timestamp, headers,
    })),
  }
}

/**
 * Runs a topology over the same input again and again: once undisturbed in one partition, once undisturbed in several, and
 * then with crashes, power cuts, rebalances, instances that do not know that they are out, and a wall clock that jumps, all from
 * one seed. It runs on the embedded engine, with its transactions and its files, on a disk in memory that loses what was not synced
 * when the power goes; the operators, stores, changelogs, restores and commits are those of production, too.
 * @throws SimulationFailure with the first difference, the seed, and how to make that run again
 */
export async function simulate(topology: TopologyData, options: SimulateOptions): Promise<SimulationReport> {
  checkOptions('simulate', options, simulateOptions)
  const { inputs, partitions = 4, rounds = 10, seed = randomInteger(systemRandom, 2 ** 31) } = options
  const scenario: Scenario = { topology, inputs: inputs.flatMap(({ records }) => records), outputs: options.outputs ?? sinksOf(topology), config: configOf(options) }
  const contentOf = ({ outputs }: RunResult) => outputs.map((records) => contentByKey(records, options.compare ?? 'latest'))
  let expected: readonly Content[] | null = null
  const run = async (disk: FilledDisk, faults: ReadonlySet<FaultKind>, runSeed: number, what: string) => {
    const replayed = `make it again with simulate(topology, { …, seed: ${runSeed}, rounds: 1, partitions: ${partitions} })`
    const result = await runOnce(scenario, disk, { seed: runSeed, faults }).catch((cause: unknown) => {
      throw new SimulationFailure(`${what} failed: ${cause instanceof Error ? cause.message : String(cause)}\n${replayed}`, runSeed, cause)
    })
    const content = contentOf(result)
    const difference = firstDifference(scenario.outputs, expected ??= content, content)
    if (difference !== null) throw new SimulationFailure(`${what} gave another result than one partition without faults:\n  ${difference}\n${replayed}`, runSeed)
    return result
  }
  await run(await prepare(scenario, 1), new Set(), seed, 'a run without faults')
  const disk = await prepare(scenario, partitions)
  if (partitions > 1) await run(disk, new Set(), seed, `a run in ${partitions} partitions without faults`)
  const faults: Record<FaultKind, number> = { crash: 0, rebalance: 0, duplicate: 0, reorder: 0, clockJump: 0 }
  for (let round = 0; round < rounds; round++) {
    const result = await run(disk, faultsOf(options), seed + round, `a run in ${partitions} ${partitions === 1 ? 'partition' : 'partitions'} with faults`)
    for (const kind of faultKinds) faults[kind] += result.faults[kind]
  }
  return { runs: rounds + (partitions > 1 ? 2 : 1), seed, faults }
}

function faultsOf({ crash = true, rebalance = true, duplicate = true, reorder = false, clockJump = true }: SimulateOptions): ReadonlySet<FaultKind> {
  const wanted: Readonly<Record<FaultKind, boolean>> = { crash, rebalance, duplicate, reorder, clockJump }
  return new Set(faultKinds.filter((kind) => wanted[kind]))
}

function configOf({ onDeserializationError, onProcessingError, onSerializationError, deadLetterTopic, cacheMaxBytes = 0 }: SimulateOptions): TaskConfig {
  return {
    cacheMaxBytes,
    ...(onDeserializationError && { onDeserializationError }), ...(onProcessingError && { onProcessingError }), ...(onSerializationError && { onSerializationError }),
    ...(deadLetterTopic !== undefined && { deadLetterTopic }),
  }
}

function sinksOf({ nodes, repartitionTopics }: TopologyData): readonly string[] {
  const internal = new Set(repartitionTopics.map(({ name }) => name))
  return [...new Set(nodes.flatMap((node) => (node.kind === 'sink' && typeof node.topic === 'string' && !internal.has(node.topic) ? [node.topic] : [])))]
}

// ------------------------------------------------------------------------------------------------ comparing

/** Key bytes to what is compared, as text. */
type Content = ReadonlyMap<string, string>

function contentByKey(records: readonly RawRecord[], compare: 'latest' | 'every'): Content {
  const content = new Map<string, string>()
  for (const { key, value, timestamp } of records) {
    const place = textOf(key)
    if (compare === 'every') content.set(place, `${content.get(place) ?? ''}${textOf(value)}@${timestamp} `)
    else if (value === null) content.delete(place)
    else content.set(place, textOf(value))
  }
  return content
}

function firstDifference(topics: readonly string[], expected: readonly Content[], found: readonly Content[]): string | null {
  for (const [index, topic] of topics.entries()) {
    const [before, after] = [expected[index]!, found[index]!]
    for (const key of [...new Set([...before.keys(), ...after.keys()])].sort()) {
      const [should, is] = [before.get(key), after.get(key)]
      if (should !== is) return `topic ${topic}, key ${key}: should be ${should ?? 'absent'}, is ${is ?? 'absent'}`
    }
  }
  return null
}

/** Bytes as the text that they are, or in hexadecimal. */
function textOf(bytes: Uint8Array | null): string {
  if (bytes === null) return 'null'
  const text = Buffer.from(bytes).toString('utf8')
  return /^[\p{L}\p{N}\p{P}\p{S} ]*$/u.test(text) && !text.includes('\ufffd') ? text : `0x${Buffer.from(bytes).toString('hex')}`
}
