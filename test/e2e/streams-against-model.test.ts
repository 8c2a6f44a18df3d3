import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/core/index.ts'
import { TopologyTestDriver } from '../../src/streams/testing/index.ts'
import type { TestDriverOptions } from '../../src/streams/testing/index.ts'
import { aggregates, joinResults, lateRecords, randomInputs, randomProgram, streamResults, tableRows, windowCounts } from '../kit/streams-model.ts'
import type { Input, ProgramSpec, Row } from '../kit/streams-model.ts'
import { results, tooLate, topicOf, topologyOf } from '../kit/streams-model-topology.ts'
import type { Variant } from '../kit/streams-model-topology.ts'

/** How many random programs; MILLRACE_MODEL_RUNS for more. */
const runs = Number(process.env['MILLRACE_MODEL_RUNS'] ?? 300)
const firstSeed = Number(process.env['MILLRACE_MODEL_SEED'] ?? 1)
/** Seeds that once found a mistake. */
const keptSeeds: readonly number[] = []
const inputCount = 24

const seeds = [...keptSeeds, ...Array.from({ length: runs }, (_, index) => firstSeed + index)]

describe('random programs over random input', () => {
  it('give what a naive model of them gives, after each record', async () => {
    expect(await differences({})).toEqual([])
  })

  it('give the same with caches', async () => {
    expect(await differences({ cacheMaxBytes: 1_000_000 })).toEqual([])
  })

  it('give the same in four partitions as in one', async () => {
    expect(await differences({ partitions: 4 })).toEqual([])
  })

  it('give the same when their functions wait, with stores of their own and partitioners', async () => {
    expect(await differences({}, { waits: true, ownRows: true })).toEqual([])
    expect(await differences({ partitions: 4 }, { waits: true, partitioners: true })).toEqual([])
  })
})

async function differences(options: TestDriverOptions, variant: Variant | null = null): Promise<readonly string[]> {
  const found: string[] = []
  // The other ways are tried with some of the programs.
  for (const seed of variant === null ? seeds : seeds.slice(0, Math.ceil(runs / 4))) found.push(...(await differenceOf(seed, options, variant ?? {})))
  return found
}

/** The seed with what is different, or nothing. */
async function differenceOf(seed: number, options: TestDriverOptions, variant: Variant): Promise<readonly string[]> {
  const random = seededRandom(seed)
  const program = randomProgram(random)
  const inputs = randomInputs(random, inputCount)
  // Time is that of a partition: what is late there is not what is late in all of the input.
  if (options.partitions !== undefined && isAboutTime(program)) return []
  const found = await new Comparison(program, inputs, new TopologyTestDriver(topologyOf(program, variant), options), variant.waits === true).difference()
  return found === null ? [] : [`seed ${seed}: ${JSON.stringify(program)}: ${found}`]
}

function isAboutTime(program: ProgramSpec): boolean {
  return 'windows' in program && 'graceMs' in program.windows
}

class Comparison {
  readonly #program: ProgramSpec
  readonly #inputs: readonly Input[]
  readonly #driver: TopologyTestDriver
  /** What the results so far make as a table. */
  readonly #rows = new Map<string, string>()
  readonly #all: Row[] = []

  readonly #waits: boolean

  constructor(program: ProgramSpec, inputs: readonly Input[], driver: TopologyTestDriver, waits: boolean) {
    this.#program = program
    this.#inputs = inputs
    this.#driver = driver
    this.#waits = waits
  }

  async difference(): Promise<string | null> {
    for (let end = 1; end <= this.#inputs.length; end++) {
      const history = this.#inputs.slice(0, end)
      this.#pipe(history.at(-1)!)
      if (this.#waits) await this.#driver.settled()
      const found = this.#step(history)
      if (found !== null) return `after ${JSON.stringify(history)}: ${found}`
    }
    return this.#program.kind === 'streamJoin' ? this.#afterTheEnd(this.#program) : null
  }

  #step(history: readonly Input[]): string | null {
    const written = this.#read()
    const program = this.#program
    switch (program.kind) {
      case 'stream': return unequal(sorted(streamResults(program.stream, history)), sorted(written))
      case 'table': return this.#unequalRows(tableRows(program.table, history))
      case 'count':
      case 'reduce': return this.#unequalRows(aggregates(program, history))
      case 'windows':
      case 'cogroup': return this.#unequalRows(windowCounts(program, history)) ?? unequal(sorted(lateRecords(program, history)), sorted(this.#readLate()))
      case 'streamJoin': return null
    }
  }

  /** Far beyond every window and grace, records without a partner come out. */
  #afterTheEnd(program: ProgramSpec & { readonly kind: 'streamJoin' }): string | null {
    for (const timestamp of [1e9, 2e9]) {
      for (const topic of ['s1', 's2'] as const) for (const key of ['a', 'b', 'c', 'd']) this.#pipe({ topic, key, value: 'end', timestamp })
    }
    this.#read()
    const found = this.#all.filter(({ value }) => value?.includes('end') === false)
    return unequal(sorted(joinResults(program, this.#inputs)), sorted(found))
  }

  #pipe({ topic, key, value, timestamp }: Input): void {
    if (readsTopic(this.#program, topic)) this.#driver.inputTopic(topicOf(topic)).pipe({ key, value, timestamp })
  }

  #read(): readonly Row[] {
    const written = this.#driver.outputTopic(results).readAll().map(({ key, value }) => ({ key, value }))
    this.#all.push(...written)
    for (const { key, value } of written) {
      if (value === null) this.#rows.delete(key!)
      else this.#rows.set(key!, value)
    }
    return written
  }

  #readLate(): readonly Row[] {
    return this.#driver.outputTopic(tooLate).readAll().map(({ key, value }) => ({ key, value }))
  }

  #unequalRows(expected: ReadonlyMap<string, string>): string | null {
    return unequal(sorted([...expected]), sorted([...this.#rows]))
  }
}

function readsTopic(program: ProgramSpec, topic: string): boolean {
  return program.kind === 'streamJoin' || program.kind === 'cogroup' ? topic.startsWith('s') : JSON.stringify(program).includes(`"topic":"${topic}"`)
}

function sorted(values: readonly unknown[]): readonly string[] {
  return values.map((value) => JSON.stringify(value)).sort((a, b) => (a < b ? -1 : 1))
}

function unequal(expected: readonly string[], found: readonly string[]): string | null {
  return expected.join() === found.join() ? null : `expected ${expected.join(' ')} but got ${found.join(' ')}`
}
