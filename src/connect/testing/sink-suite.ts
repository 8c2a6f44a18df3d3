import assert from 'node:assert/strict'
import type { SinkPlugin } from '../connector.ts'
import { SinkRun } from './sink-run.ts'
import type { SuiteRecord } from './sink-run.ts'
import { check, configChecks, defaultPatienceMs, withSystem } from './suite-check.ts'
import type { SuiteCheck, SuiteSystem } from './suite-check.ts'

/** The outside system that a sink writes. */
export interface SinkSystem extends SuiteSystem {
  /** What it has now, a text for each record; in the order written, unless `isUnordered`. */
  contents(): Promise<readonly string[]>
}

export interface SinkSuiteOptions {
  readonly plugin: SinkPlugin
  /** A fresh, empty system; called for each check. */
  readonly open: () => Promise<SinkSystem>
  /** The record number `index`, from 0, and the text by which `contents` will know it. No two have the same text. */
  readonly record: (index: number) => SuiteRecord & { readonly text: string }
  /** `once`: it has the effect of each record once, whenever it is killed. Default: at least once. */
  readonly delivers?: 'once' | 'at-least-once'
  /** The system keeps no order, as a table. */
  readonly isUnordered?: boolean
  /** How long a step may take before it counts as hanging. Default 5 s, as long as a worker gives tasks to stop. */
  readonly patienceMs?: number
}

const rounds = 12

/** Appends records by turns to two partitions, and remembers what must arrive. */
class Feed {
  readonly texts: readonly string[][] = [[], []]
  readonly #run: SinkRun
  readonly #record: SinkSuiteOptions['record']
  #next = 0

  constructor(run: SinkRun, record: SinkSuiteOptions['record']) {
    this.#run = run
    this.#record = record
  }

  append(count: number): void {
    for (const end = this.#next + count; this.#next < end; this.#next++) {
      const { text, ...record } = this.#record(this.#next)
      this.texts[this.#next % 2]!.push(text)
      this.#run.append(this.#next % 2, record)
    }
  }
}

export function sinkSuite({ plugin, open, record, delivers = 'at-least-once', isUnordered = false, patienceMs = defaultPatienceMs }: SinkSuiteOptions): readonly SuiteCheck[] {
  const withRun = (use: (run: SinkRun, feed: Feed, expectAll: (delivery?: 'once' | 'at-least-once') => Promise<void>) => Promise<void>) => withSystem(open, async (system) => {
    const run = new SinkRun(plugin, system.config, patienceMs)
    const feed = new Feed(run, record)
    const expectAll = async (delivery: 'once' | 'at-least-once' = 'once') => expectContents(await system.contents(), feed.texts, { delivery, isUnordered })
    try {
      await use(run, feed, expectAll)
    } finally {
      await run.kill()
    }
  })
  return [
    ...configChecks(plugin, open),
    check('has made durable what it says is safe to commit, in order', () => withRun(async (run, feed, expectAll) => {
      feed.append(20)
      await run.start()
      await run.put()
      await run.stop()
      await expectAll()
    })),
    check('takes a put without records, and a commit without news', () => withRun(async (run, feed, expectAll) => {
      await run.start()
      await run.tick()
      await run.commit()
      feed.append(4)
      await run.put()
      await run.tick()
      await run.stop()
      await expectAll()
    })),
    check('goes on where it stopped', () => withRun(async (run, feed, expectAll) => {
      for (let round = 0; round < 3; round++) {
        feed.append(10)
        await run.start()
        await run.put()
        await run.stop()
      }
      await expectAll()
    })),
    check('commits nothing that it has not taken', () => withRun(async (run, feed) => {
      feed.append(10)
      await run.start()
      await run.put(2)
      for (const { partition, offset } of await run.commit()) assert.ok(offset <= 2, `offset ${offset} of partition ${partition} was committed after 2 records`)
    })),
    check(`has everything ${delivers === 'once' ? 'once' : 'at least once'} when it is killed between any two batches`, () => withRun(async (run, feed, expectAll) => {
      for (let round = 0; round < rounds; round++) {
        feed.append(6)
        await run.start()
        await run.put(1 + (round % 3))
        if (round % 2 === 0) await run.commit()
        await run.put(1)
        await run.kill()
      }
      await run.start()
      await run.put()
      await run.stop()
      await expectAll(delivers)
    })),
    check('stops promptly with records that it has not made durable', () => withRun(async (run, feed) => {
      feed.append(10)
      await run.start()
      await run.put()
      await run.kill()
    })),
  ]
}

function expectContents(contents: readonly string[], texts: readonly (readonly string[])[], { delivery, isUnordered }: { readonly delivery: 'once' | 'at-least-once'; readonly isUnordered: boolean }): void {
  const expected = texts.flat().toSorted()
  const found = delivery === 'once' ? contents.toSorted() : [...new Set(contents)].toSorted()
  assert.deepEqual(found, expected, `every record ${delivery === 'once' ? 'once' : 'at least once'}`)
  if (isUnordered) return
  // the last time that each was written: a repeat after a kill repeats the order, too
  for (const partition of texts) {
    const positions = partition.map((text) => contents.lastIndexOf(text))
    assert.deepEqual(positions, positions.toSorted((a, b) => a - b), 'records of a partition are in order')
  }
}
