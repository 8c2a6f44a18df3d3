/** Random programs whose results do not depend on how the records of different partitions meet, and what they result in, for comparing runs. */
import { seededRandom, stringSerde } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import { TopologyTestDriver } from '../../src/streams/testing/index.ts'
import { createTopics, readAll, write } from './streams-harness.ts'
import { randomInputs, randomProgram } from './streams-model.ts'
import type { Input, ProgramSpec, Row } from './streams-model.ts'
import { results, topicOf, topologyOf } from './streams-model-topology.ts'

export interface Experiment {
  readonly seed: number
  readonly program: ProgramSpec
  readonly inputs: readonly Input[]
}

const inputCount = 200

/** `baseMs`: when the input begins; what is older than a topic's retention would be deleted. */
export function experimentOf(seed: number, baseMs: number): Experiment {
  const random = seededRandom(seed)
  for (;;) {
    const program = randomProgram(random)
    const inputs = randomInputs(random, inputCount).map((input) => ({ ...input, timestamp: baseMs + input.timestamp }))
    if (isOrderFree(program)) return { seed, program, inputs }
  }
}

/** Not so: what is late is a matter of each partition, an appended text and a look-up show which record came first, and so do groups that are there for a moment. */
function isOrderFree(program: ProgramSpec): boolean {
  if (program.kind === 'reduce' || ('windows' in program && 'graceMs' in program.windows)) return false
  const text = JSON.stringify(program)
  return !text.includes('joinTable') && !(text.includes('countBy') && /"op":"(join|foreignKey)"/.test(text))
}

export function inputTopics({ program }: Experiment): readonly string[] {
  const named = (topic: string) => JSON.stringify(program).includes(`"topic":"${topic}"`)
  return ['s1', 's2', 't1', 't2'].filter((topic) => (program.kind === 'streamJoin' || program.kind === 'cogroup' ? topic.startsWith('s') : named(topic)))
}

/** What the test driver writes, which takes one record after the other. */
export function expectedOf(experiment: Experiment): readonly string[] {
  const driver = new TopologyTestDriver(topologyOf(experiment.program))
  const topics = inputTopics(experiment)
  for (const { topic, key, value, timestamp } of experiment.inputs) if (topics.includes(topic)) driver.inputTopic(topicOf(topic)).pipe({ key, value, timestamp })
  return resultsOf(experiment, driver.outputTopic(results).readAll())
}

/** The last value of each key where results are a table, else every record; in an order of its own. */
export function resultsOf({ program }: Experiment, rows: readonly Row[]): readonly string[] {
  const isTable = program.kind !== 'stream' && program.kind !== 'streamJoin'
  const last = new Map(rows.map(({ key, value }) => [key, value]))
  // A group that was there for a moment is counted as 0, or was never seen behind a cache.
  const lines = isTable ? [...last].filter(([, value]) => value !== null && !/^\(*0/.test(value)) : rows.map(({ key, value }) => [key, value])
  return lines.map((line) => JSON.stringify(line)).sort((a, b) => (a < b ? -1 : 1))
}

/** Makes the topics and fills them, in the order of the input within each partition. */
export async function fill(broker: Broker, experiment: Experiment, partitions: number): Promise<void> {
  const topics = inputTopics(experiment)
  await createTopics(broker, Object.fromEntries([...topics, 'out'].map((topic) => [topic, partitions])))
  for (const topic of topics) {
    await write(broker, topic, experiment.inputs.filter((input) => input.topic === topic).map(({ key, value, timestamp }) => ({ key, value, timestamp, ...(key === null && { partition: 0 }) })))
  }
}

export async function writtenBy(broker: Broker, experiment: Experiment): Promise<readonly string[]> {
  return resultsOf(experiment, await readAll(broker, 'out'))
}

/** The input as the simulation takes it. */
export function rawInputs(experiment: Experiment) {
  const topics = inputTopics(experiment)
  const bytes = (text: string | null) => (text === null ? null : stringSerde.serialize(text))
  return experiment.inputs.filter(({ topic }) => topics.includes(topic)).map(({ topic, key, value, timestamp }) => ({ topic, key: bytes(key), value: bytes(value), timestamp, headers: [] }))
}
