/** Runs the steps of a recorded scenario (FORMAT.md, section 5) and compares what happens with what was recorded. */
import type { Serde } from '../../src/core/index.ts'
import type { TaskConfig } from '../../src/streams/runtime/task-config.ts'
import { Simulation } from '../../src/streams/testing/simulation.ts'
import type { RawRecord } from '../../src/streams/testing/simulation.ts'
import type { Topology } from '../../src/streams/topology/topology.ts'
import { changelogConfigs, changelogTopic, repartitionConfigs } from '../../src/streams/topology/internal-topics.ts'
import { base64, jsonForm } from './streams-json.ts'
import { topicSerdes } from './streams-members.ts'
import { programOf } from './streams-program.ts'
import type { Scenario, SerdeSpec } from './streams-members.ts'
import { contentOf, runQuery } from './streams-queries.ts'
import type { Query } from './streams-queries.ts'

export interface RecordedScenario extends Scenario {
  readonly upstreamDefect?: string
  readonly recordInternal?: boolean
  /** Of recordings of ours: what was written is listed topic by topic. */
  readonly orderWithinTopics?: boolean
  readonly initialWallClockMs?: number
  readonly describe?: string
  readonly internalTopics?: Readonly<Record<'repartition' | 'changelog', Readonly<Record<string, Readonly<Record<string, string>>>>>>
  readonly steps: readonly Step[]
  readonly stores?: Readonly<Record<string, readonly unknown[]>>
  readonly droppedRecords?: number
  readonly buildError?: { readonly class: string; readonly message: string }
}

interface Step {
  readonly pipe?: PipedRecord
  readonly advanceWallClockMs?: number
  readonly query?: Query
  readonly expect?: unknown
  readonly effects?: readonly string[]
  readonly internal?: readonly unknown[]
  readonly throws?: { readonly class: string; readonly message: string }
}

interface PipedRecord {
  readonly topic: string
  readonly key: unknown
  readonly value: unknown
  readonly timestamp: number
  readonly headers?: readonly (readonly [string, string | null])[]
}

const applicationId = 'app'

/** The first difference, or null. @throws PendingOperator */
export function runScenario(scenario: RecordedScenario, options: { readonly restartBefore?: readonly number[] } = {}): string | null {
  const effects: string[] = []
  let run: ScenarioRun
  try {
    const topology = programOf(scenario, (text) => effects.push(text))
    run = new ScenarioRun(scenario, topology, effects, options.restartBefore)
  } catch (error) {
    if (scenario.buildError === undefined || isPending(error)) throw error
    return null
  }
  if (scenario.buildError !== undefined) return `expected building to fail: ${scenario.buildError.message}`
  return run.firstDifference()
}

function isPending(error: unknown): boolean {
  return error instanceof Error && 'operator' in error
}

class ScenarioRun {
  readonly #scenario: RecordedScenario
  readonly #topology: Topology
  readonly #effects: string[]
  readonly #simulation: Simulation
  readonly #slides: boolean

  /** Indexes of steps before which everything in memory is thrown away. */
  readonly #restartBefore: readonly number[]

  constructor(scenario: RecordedScenario, topology: Topology, effects: string[], restartBefore: readonly number[] = []) {
    this.#restartBefore = restartBefore
    this.#scenario = scenario
    this.#topology = topology
    this.#effects = effects
    this.#slides = topology.nodes.some((node) => node.kind === 'slidingAggregate')
    this.#simulation = new Simulation(topology, {
      applicationId,
      startAtMs: scenario.initialWallClockMs ?? 0,
      config: configOf(scenario),
      partitions: 1,
    })
  }

  firstDifference(): string | null {
    return this.#topologyDifference() ?? this.#stepsDifference() ?? this.#endDifference()
  }

  #topologyDifference(): string | null {
    const { describe, internalTopics } = this.#scenario
    if (describe !== undefined && this.#topology.describe() !== describe) return difference('describe()', describe, this.#topology.describe())
    return internalTopics === undefined ? null : difference('internal topics', internalTopics, internalTopicsOf(this.#topology, internalTopics))
  }

  #stepsDifference(): string | null {
    for (const [index, step] of this.#scenario.steps.entries()) {
      if (this.#restartBefore.includes(index)) this.#simulation.restart()
      const found = this.#step(step)
      if (found !== null) return `step ${index + 1} ${JSON.stringify(step.pipe ?? step.query ?? step.advanceWallClockMs)}: ${found}`
    }
    return null
  }

  #step(step: Step): string | null {
    if (step.query !== undefined) {
      const store = this.#simulation.stores(step.query.store)[0]
      return store === undefined ? `there is no store ${step.query.store}` : difference('answer', step.expect, runQuery(store, step.query))
    }
    const thrown = this.#attempt(() => this.#act(step))
    if (step.throws !== undefined) return thrown === null ? `expected ${step.throws.class}: ${step.throws.message}, but nothing was thrown` : null
    if (thrown !== null) return `threw ${thrown}`
    return this.#writtenDifference(step) ?? difference('effects', step.effects ?? [], this.#effects.splice(0))
  }

  #act({ pipe, advanceWallClockMs }: Step): void {
    if (pipe !== undefined) this.#simulation.pipe(encode(this.#scenario, pipe))
    else this.#simulation.advanceWallClock(advanceWallClockMs ?? 0)
  }

  #attempt(act: () => void): string | null {
    try {
      act()
      return null
    } catch (error) {
      return error instanceof Error ? (error.stack ?? error.message) : String(error)
    }
  }

  #writtenDifference(step: Step): string | null {
    const written = this.#simulation.takeWritten()
    const results = this.#inRecordedOrder(written.filter((record) => !this.#isInternal(record.topic))).map((record) => decode(this.#scenario, record))
    const expected = step.expect as readonly unknown[]
    const found = this.#slides ? difference('output', sorted(expected), sorted(results)) : difference('output', expected, results)
    if (found !== null || step.internal === undefined) return found
    const internal = this.#inRecordedOrder(written.filter((record) => this.#isInternal(record.topic))).map(rawForm)
    // What suppress logs at a flush comes in the order of a hash table.
    const suppresses = this.#topology.nodes.some((node) => node.kind === 'suppress')
    return suppresses ? difference('internal records', sorted(step.internal), sorted(internal)) : difference('internal records', step.internal, internal)
  }

  #inRecordedOrder(written: readonly RawRecord[]): readonly RawRecord[] {
    if (this.#scenario.orderWithinTopics !== true) return written
    return written.toSorted((a, b) => (a.topic === b.topic ? 0 : a.topic < b.topic ? -1 : 1))
  }

  #isInternal(topic: string): boolean {
    const internal = this.#scenario.internalTopics
    return internal === undefined ? topic.startsWith(`${applicationId}-`) : topic in internal.changelog || topic in internal.repartition
  }

  #endDifference(): string | null {
    const { stores, droppedRecords } = this.#scenario
    for (const [name, content] of Object.entries(stores ?? {})) {
      const store = this.#simulation.stores(name)[0]
      if (store === undefined) return `there is no store ${name}`
      const found = difference(`store ${name}`, sorted(content), sorted(contentOf(store, pipedKeys(this.#scenario))))
      if (found !== null) return found
    }
    return droppedRecords === undefined ? null : difference('dropped records', droppedRecords, this.#simulation.droppedRecords)
  }
}

function configOf({ config = {} }: Scenario): TaskConfig {
  const deadLetterTopic = config['errors.dead.letter.queue.topic.name'] as string | undefined
  const skip = deadLetterTopic === undefined ? 'skip' : 'dead-letter'
  return {
    cacheMaxBytes: (config['statestore.cache.max.bytes'] as number | undefined) ?? 0,
    ...(config['deserialization.exception.handler'] === 'LogAndContinue' ? { onDeserializationError: skip } : {}),
    ...(config['processing.exception.handler'] === 'LogAndContinueProcessing' ? { onProcessingError: skip } : {}),
    ...(config['production.exception.handler'] === 'ContinueProduction' ? { onSerializationError: 'skip' } : {}),
    ...(deadLetterTopic === undefined ? {} : { deadLetterTopic }),
  }
}

function pipedKeys({ steps }: RecordedScenario): readonly unknown[] {
  return [...new Set(steps.flatMap(({ pipe }) => (pipe === undefined || pipe.key === null ? [] : [pipe.key])))]
}

function internalTopicsOf(topology: Topology, expected: NonNullable<RecordedScenario['internalTopics']>) {
  const repartition = topology.repartitionTopics.map((spec) => [
    `${applicationId}-${spec.name}`,
    { ...repartitionConfigs, ...(spec.partitions === null ? {} : { partitions: spec.partitions }) },
  ])
  const changelog = topology.stores
    .filter((store) => store.changelog !== null && store.changelog.sourceTopic === null)
    .map((store) => [changelogTopic(applicationId, store), changelogConfigs(store)])
  return inOrderOf(expected, { repartition: Object.fromEntries(repartition), changelog: Object.fromEntries(changelog) })
}

/** Same members, in the order of `model` as far as it has them, so that texts can be compared. */
function inOrderOf(model: unknown, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const known = typeof model === 'object' && model !== null ? (model as Record<string, unknown>) : {}
  const members = value as Record<string, unknown>
  const names = [...Object.keys(known).filter((name) => name in members), ...Object.keys(members).filter((name) => !(name in known)).sort()]
  return Object.fromEntries(names.map((name) => [name, inOrderOf(known[name], members[name])]))
}

function encode(scenario: Scenario, { topic, key, value, timestamp, headers }: PipedRecord): Omit<RawRecord, 'partition'> {
  const serdes = topicSerdes(scenario, serdeEntry(scenario, topic))
  const spec = scenario.topics?.[serdeEntry(scenario, topic)]
  return {
    topic,
    key: key === null ? null : pipedBytes(serdes.key, spec?.key, key),
    value: value === null ? null : pipedBytes(serdes.value, spec?.value, value),
    timestamp,
    headers: (headers ?? []).map(([name, text]) => ({ key: name, value: text === null ? null : Buffer.from(text, 'base64') })),
  }
}

/** The text of a pattern is the entry of the topics that match it. */
function serdeEntry({ topics = {} }: Scenario, topic: string): string {
  if (topic in topics) return topic
  return Object.keys(topics).find((name) => /[\\*+?[\](|]/.test(name) && new RegExp(`^(?:${name})$`).test(topic)) ?? topic
}

function pipedBytes(serde: Serde<unknown>, spec: SerdeSpec | undefined, value: unknown): Uint8Array {
  if (spec === 'strictString') return Buffer.from(value as string)
  if (spec === 'bytes') return Buffer.from(value as string, 'base64')
  return serde.serialize(typeof value === 'object' && value !== null && 'end' in value && value.end === null ? { ...value, end: Infinity } : value)
}

function decode(scenario: Scenario, { topic, key, value, timestamp, headers }: RawRecord): unknown {
  const serdes = topicSerdes(scenario, topic)
  const spec = scenario.topics?.[topic]
  const shown = (serde: Serde<unknown>, format: SerdeSpec | undefined, bytes: Uint8Array | null) => {
    if (bytes === null) return null
    return format === 'strictString' ? Buffer.from(bytes).toString() : jsonForm(serde.deserialize(bytes))
  }
  return {
    topic,
    key: shown(serdes.key, spec?.key, key),
    value: shown(serdes.value, spec?.value, value),
    timestamp,
    ...headersForm(headers),
  }
}

function rawForm({ topic, key, value, timestamp, headers }: RawRecord): unknown {
  // -1: the record was written without a timestamp.
  return { topic, key: base64(key), value: base64(value), timestamp: timestamp === -1 ? null : timestamp, ...headersForm(headers) }
}

function headersForm(headers: RawRecord['headers']): { readonly headers?: unknown } {
  return headers.length === 0 ? {} : { headers: headers.map(({ key, value }) => [key, base64(value)]) }
}

function sorted(records: readonly unknown[]): readonly unknown[] {
  return [...records].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

/** A `"*"` of the recording stands for any text. */
function difference(what: string, expected: unknown, actual: unknown): string | null {
  if (matches(expected, actual)) return null
  return `${what}: expected ${JSON.stringify(expected)}\ngot ${JSON.stringify(actual)}`
}

function matches(expected: unknown, actual: unknown): boolean {
  if (expected === '*') return typeof actual === 'string'
  if (typeof expected !== 'object' || expected === null || typeof actual !== 'object' || actual === null) return Object.is(expected, actual)
  const names = Object.keys(expected)
  if (Array.isArray(expected) !== Array.isArray(actual) || names.length !== Object.keys(actual).length) return false
  return names.every((name) => name in actual && matches((expected as Record<string, unknown>)[name], (actual as Record<string, unknown>)[name]))
}
