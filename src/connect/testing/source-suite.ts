import assert from 'node:assert/strict'
import { sleep, systemClock } from '../../core/index.ts'
import type { SourceRecord } from '../connect-record.ts'
import type { SourcePlugin } from '../connector.ts'
import { javaText } from '../java-text.ts'
import { validateValue } from '../validate.ts'
import { SourceRun } from './source-run.ts'
import { check, configChecks, defaultPatienceMs, withSystem } from './suite-check.ts'
import type { SuiteCheck, SuiteSystem } from './suite-check.ts'

/** The outside system that a source reads. */
export interface SourceSystem extends SuiteSystem {
  /** Adds `count` things to read, and answers how each record of them will be known, in order. No two are known by the same text. */
  write(count: number): Promise<readonly string[]>
}

export interface SourceSuiteOptions {
  readonly plugin: SourcePlugin
  /** A fresh, empty system; called for each check. */
  readonly open: () => Promise<SourceSystem>
  /** How a record is known. Default: its value as text. */
  readonly identify?: (record: SourceRecord) => string
  /** Whether a record stands for something that was written. Default: all do; a heartbeat does not. */
  readonly isData?: (record: SourceRecord) => boolean
  /** How long a step may take before it counts as hanging. Default 5 s, as long as a worker gives tasks to stop. */
  readonly patienceMs?: number
}

const rounds = 12

export function sourceSuite({ plugin, open, identify = (record) => javaText(record.valueSchema ?? null, record.value), isData = () => true, patienceMs = defaultPatienceMs }: SourceSuiteOptions): readonly SuiteCheck[] {
  const withRun = (use: (run: SourceRun, write: (count: number) => Promise<void>, written: readonly string[]) => Promise<void>) => withSystem(open, async (system) => {
    const written: string[] = []
    const run = new SourceRun(plugin, system.config, { patienceMs, isData })
    try {
      await use(run, async (count) => { written.push(...(await system.write(count))) }, written)
    } finally {
      await run.kill()
    }
  })
  const expectAll = (run: SourceRun, written: readonly string[]) => {
    assert.deepEqual(run.records.map(identify).toSorted(), written.toSorted(), 'every record once')
    expectOrder(run.records, identify, written)
  }
  return [
    ...configChecks(plugin, open),
    check('gives everything once, in order', () => withRun(async (run, write, written) => {
      await write(20)
      await run.start()
      await run.pollUntil(20)
      expectAll(run, written)
      await write(20)
      await run.pollUntil(40)
      expectAll(run, written)
    })),
    check('gives records whose positions are plain data and whose values fit their schemas', () => withRun(async (run, write) => {
      await write(5)
      await run.start()
      await run.pollUntil(5)
      run.records.forEach(expectPlain)
    })),
    check('goes on where it stopped, with what came meanwhile', () => withRun(async (run, write, written) => {
      await write(10)
      await run.start()
      await run.pollUntil(10)
      await run.stop()
      await write(10)
      await run.start()
      await run.pollUntil(20)
      expectAll(run, written)
    })),
    check('loses and repeats nothing when it is killed between any two records', () => withRun(async (run, write, written) => {
      for (let round = 0; round < rounds; round++) {
        await write(5)
        await run.start()
        await run.poll(100)
        await run.commit(Math.min(run.uncommittedCount, (round * 3) % 7))
        await run.kill()
      }
      await run.start()
      await run.pollUntil(written.length)
      expectAll(run, written)
    })),
    check('stops promptly while it waits for records, also when it has given none', () => withRun(async (run) => {
      await run.start()
      const polling = run.poll(60_000)
      await sleep(systemClock, 50)
      await Promise.all([polling, run.kill()])
    })),
  ]
}

/** Records of one source partition stand in the order in which they were written. */
function expectOrder(records: readonly SourceRecord[], identify: (record: SourceRecord) => string, written: readonly string[]): void {
  const ranks = new Map(written.map((text, rank) => [text, rank]))
  const last = new Map<string, number>()
  for (const record of records) {
    const partition = JSON.stringify(record.sourcePartition)
    const rank = ranks.get(identify(record))!
    assert.ok(rank > (last.get(partition) ?? -1), `records of ${partition} are in order: "${identify(record)}" came late`)
    last.set(partition, rank)
  }
}

function expectPlain({ topic, sourcePartition, sourceOffset, keySchema = null, key = null, valueSchema = null, value }: SourceRecord): void {
  assert.notEqual(topic, '', 'a record has a topic')
  for (const [name, member] of [...Object.entries(sourcePartition), ...Object.entries(sourceOffset)]) {
    assert.ok(member === null || ['string', 'number', 'boolean'].includes(typeof member), `"${name}" of a source partition or offset is text, a number or a boolean`)
  }
  assert.deepEqual(JSON.parse(JSON.stringify([sourcePartition, sourceOffset])), [{ ...sourcePartition }, { ...sourceOffset }], 'source partition and offset survive as JSON')
  if (keySchema !== null) validateValue(keySchema, key, 'the key')
  if (valueSchema !== null) validateValue(valueSchema, value)
}
