/**
 * Plays recorded scenarios of Kafka Connect's runtime against our worker (test/vectors/connect-runtime/FORMAT.md): the calls that a
 * connector gets, what is committed, and what stands in topics afterwards.
 */
import { readFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDistributedWorker } from '../../src/connect/index.ts'
import type { Log } from '../../src/connect/index.ts'
import { openEmbeddedBroker } from '../../src/core/index.ts'
import { isExactlyOnceScenario, playScenario } from '../kit/connect-play.ts'
import type { Outcome, Scenario, SeenRecord } from '../kit/connect-play.ts'
import { scriptedPlugins } from '../kit/scripted-connectors.ts'
import type { Call } from '../kit/scripted-connectors.ts'
import type { VectorFile } from '../kit/vectors.ts'
import type { CaseResult, ConformanceGroups } from './case-result.ts'

/** Scenario → which part differs, on purpose: each with its reason in docs/differences.md. A difference that is listed and is none fails, too. */
const onPurpose = new Map(Object.entries(JSON.parse(readFileSync(new URL('connect-runtime-differences.json', import.meta.url), 'utf8')) as Readonly<Record<string, string>>))

const quiet: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
/** Scenarios mostly wait. */
const lanes = 4

export async function runRuntime(files: readonly VectorFile[]): Promise<readonly CaseResult[]> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-runtime-'))
  const broker = await openEmbeddedBroker({ directory: join(directory, 'log') })
  const worker = await openDistributedWorker({
    broker, log: quiet, plugins: scriptedPlugins,
    config: { 'group.id': 'connect-cluster', 'listeners': 'http://127.0.0.1:0', 'offset.flush.interval.ms': '3600000', 'restart.policy': 'none', 'task.host': 'in-process', 'exactly.once.source.support': isExactlyOnceScenario(files[0]!.path) ? 'enabled' : 'disabled', 'offset.storage.partitions': '1' },
  })
  try {
    const results = new Map<VectorFile, CaseResult>()
    const queue = [...files]
    await Promise.all(Array.from({ length: lanes }, async () => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
        const scenario = file.content as Scenario
        results.set(file, await resultOf(scenario, () => playScenario(scenario, { url: worker.url, broker, directory, patienceMs: 30_000 })))
      }
    }))
    return files.map((file) => results.get(file)!)
  } finally {
    await worker.stop()
    await broker.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function resultOf({ scenario: name, expect }: Scenario, play: () => Promise<Outcome>): Promise<CaseResult> {
  const listed = onPurpose.get(name)
  try {
    const differences = differencesOf(expect, await play())
    const detail = Object.entries(differences).map(([part, text]) => `${part}: ${text}`).join('\n')
    const isAsListed = Object.keys(differences).join() === (listed ?? '')
    return isAsListed ? { name, ok: true } : { name, ok: false, detail: `${listed === undefined ? '' : `only ${listed} should differ; `}${detail}` }
  } catch (error) {
    return { name, ok: false, detail: error instanceof Error ? error.message : String(error) }
  }
}

/** Part → what was expected and what came. */
function differencesOf(expected: Outcome, got: Outcome): Readonly<Record<string, string>> {
  const parts: readonly (readonly [string, (outcome: Outcome) => unknown])[] = [
    ['calls', ({ calls }) => inOrder(calls.filter(({ call }) => call !== 'commitRecord'))],
    ['acknowledgements', acknowledgements],
    ['offsets', ({ offsets }) => offsets],
    ['topics', ({ topics }) => Object.entries(topics).map(([topic, records]) => [topic, comparable(records)])],
  ]
  return Object.fromEntries(parts.flatMap(([part, of]) => {
    const [wanted, found] = [canonical(of(expected)), canonical(of(got))]
    return wanted === found ? [] : [[part, `expected ${wanted}, got ${found}`]]
  }))
}

/** How many commits there are is a matter of time, and so is how records that come with nothing between them are cut into batches. */
function inOrder(calls: readonly Call[]): readonly Call[] {
  const merged: Call[] = []
  for (const call of calls) {
    const last = merged.at(-1)
    if (last?.call === 'commit' && call.call === 'commit') continue
    if (last?.call === 'put' && call.call === 'put' && last.throws === undefined && call.throws === undefined) merged[merged.length - 1] = { ...last, values: [...last.values!, ...call.values!] }
    else merged.push(call)
  }
  return merged
}

/** What names a Java class, or a place in Java's code, is no promise. */
const ofJava = /^__connect\.errors\.(?:exception\..*|class\.name)$/

/** Offsets by their order, with a mark where one is missing before: there a transaction ended. How many records an aborted one had sent is a matter of time. */
function comparable(records: readonly SeenRecord[]): unknown {
  return records.map(({ offset, headers, ...record }, index) => {
    const before = records[index - 1]
    const isFirst = before === undefined || before.partition !== record.partition
    return { ...record, beginsTransaction: !isFirst && before.offset + 1 < offset, headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, ofJava.test(name) ? text !== '' : text])) }
  })
}

/** Records are acknowledged while the next are polled, and dropped ones at once: the order of each kind is what counts. An appended record stands where the acknowledgement says. */
function acknowledgements({ calls, topics }: Outcome): unknown {
  const told = calls.filter(({ call }) => call === 'commitRecord')
  const at = ({ topic, partition, offset }: NonNullable<Call['at']>) => topics[topic]?.find((each) => each.partition === partition && each.offset === offset)?.value
  return { dropped: told.filter((each) => each.at === null).map(({ value }) => value), appended: told.flatMap((each) => (each.at ? [{ value: each.value, found: at(each.at) }] : [])) }
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => (typeof each === 'object' && each !== null && !Array.isArray(each) ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1))) : each))
}

export const groups: ConformanceGroups = { 'exactly-once': runRuntime, 'sink': runRuntime, 'source': runRuntime }
