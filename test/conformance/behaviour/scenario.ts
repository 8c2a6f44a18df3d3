/** Runs recorded scenarios (`behaviour-*`) step by step against an engine in memory; time passes only where a step says so. */
import { isStreamError } from '../../../src/core/index.ts'
import type { ErrorCode } from '../../../src/core/index.ts'
import type { VectorFile } from '../../kit/vectors.ts'
import type { CaseResult } from '../case-result.ts'
import { openScenarioEngine } from './scenario-engine.ts'
import type { ScenarioEngine } from './scenario-engine.ts'

export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export type JsonObject = { readonly [field: string]: Json }

export interface Step {
  readonly op?: string
  readonly connection?: string
  readonly wire?: string
  readonly version?: number
  readonly args?: JsonObject
  readonly request?: JsonObject
  readonly response?: Json
  readonly result?: Json
  readonly error?: string
  readonly code?: number
  readonly sleepMs?: number
  readonly note?: string
  /** Kafka hangs here; whatever is answered is better. */
  readonly noResponse?: boolean
}

/** Answers one kind of step as Kafka would: the response of a request, or the result of an operation. Throws StreamErrors. */
export type Call = (engine: ScenarioEngine, input: JsonObject, step: Step) => Promise<Json>

export interface Calls {
  readonly wire: Readonly<Record<string, Call>>
  readonly op: Readonly<Record<string, Call>>
}

export function mergeCalls(parts: readonly Calls[]): Calls {
  return { wire: Object.assign({}, ...parts.map(({ wire }) => wire)) as Calls['wire'], op: Object.assign({}, ...parts.map(({ op }) => op)) as Calls['op'] }
}

interface Scenario {
  readonly name: string
  readonly steps: readonly Step[]
}

/** As Kafka numbers them; only what an engine can answer. */
export const errorNumbers: Readonly<Record<string, number>> = {
  OFFSET_OUT_OF_RANGE: 1, CORRUPT_RECORD: 2, UNKNOWN_TOPIC_OR_PARTITION: 3, RECORD_TOO_LARGE: 10, OFFSET_METADATA_TOO_LARGE: 12, INVALID_TOPIC: 17,
  ILLEGAL_GENERATION: 22, INCONSISTENT_GROUP_PROTOCOL: 23, INVALID_GROUP_ID: 24, UNKNOWN_MEMBER_ID: 25, INVALID_SESSION_TIMEOUT: 26, REBALANCE_IN_PROGRESS: 27,
  INVALID_TIMESTAMP: 32, TOPIC_ALREADY_EXISTS: 36, INVALID_PARTITIONS: 37, INVALID_REPLICATION_FACTOR: 38, INVALID_CONFIG: 40, OUT_OF_ORDER_SEQUENCE: 45,
  INVALID_PRODUCER_EPOCH: 47, INVALID_TXN_STATE: 48, INVALID_PRODUCER_ID_MAPPING: 49, INVALID_TRANSACTION_TIMEOUT: 50, CONCURRENT_TRANSACTIONS: 51,
  POLICY_VIOLATION: 44, NON_EMPTY_GROUP: 68, GROUP_ID_NOT_FOUND: 69, UNSUPPORTED_COMPRESSION_TYPE: 76, MEMBER_ID_REQUIRED: 79, FENCED_INSTANCE_ID: 82, INVALID_RECORD: 87,
  UNSTABLE_OFFSET_COMMIT: 88, PRODUCER_FENCED: 90,
}

/** What a scenario has to wait for that begins with it. */
const networkOnly: Readonly<Record<string, string>> = {
  rawFrame: 'raw frames, which come with the network listener',
  ApiVersions: 'the network listener, which says what versions it speaks',
  SaslHandshake: 'the network listener, which knows who is there',
  DescribeCluster: 'the network listener, which knows where brokers are',
  ConsumerGroupHeartbeat: 'the next generation of the group protocol (KIP-848), which the engine does not serve',
}

/** What Java's clients throw without a number of the protocol, and how ours say the same. */
const clientExceptions: Readonly<Record<string, readonly ErrorCode[]>> = {
  IllegalStateException: ['INVALID_TXN_STATE', 'INVALID_ARGUMENT'],
  IllegalArgumentException: ['INVALID_ARGUMENT'],
  ConfigException: ['INVALID_ARGUMENT'],
  NoOffsetForPartitionException: ['OFFSET_OUT_OF_RANGE'],
  OffsetOutOfRangeException: ['OFFSET_OUT_OF_RANGE'],
  KafkaException: ['INVALID_GROUP_ID'],
  CommitFailedException: ['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'REBALANCE_IN_PROGRESS'],
}

/** What a listener answers by itself, with a number of the protocol, without asking the engine. */
export class WireError extends Error {
  readonly number: number

  constructor(number: number) {
    super(`error ${number}`)
    this.number = number
  }
}

/** Thrown by a call for a step in which Java's client refuses something by itself that ours has no way to ask for: there is nothing to compare. */
export class ClientOnlyStep extends Error {}

/** Thrown by a call for a step that needs what does not exist yet: the scenario waits for it. */
export class PendingStep extends Error {}

export function errorNumberOf(error: unknown): number {
  if (error instanceof WireError) return error.number
  if (!isStreamError(error)) throw error
  const number = errorNumbers[error.code]
  if (number === undefined) throw error
  return number
}

/** A field that must be text (or stand for itself in a message). */
export function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

export async function runScenarios(files: readonly VectorFile[], calls: Calls): Promise<readonly CaseResult[]> {
  const scenarios = files.flatMap((file) => (file.content as { readonly cases: readonly Scenario[] }).cases)
  const results: CaseResult[] = []
  for (const scenario of scenarios) results.push(await runScenario(scenario, calls))
  return results
}

/** Up to the first step that nothing here can answer; what comes before it must be right all the same. */
async function runScenario({ name, steps }: Scenario, calls: Calls): Promise<CaseResult> {
  const engine = await openScenarioEngine(steps)
  try {
    return { name, ...(await runSteps(engine, steps, calls)) }
  } catch (error) {
    if (error instanceof PendingStep) return { name, ok: false, pending: error.message }
    return { name, ok: false, detail: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  } finally {
    await engine.close()
  }
}

/**
 * A request that has to wait is announced by a note, and its step stands where it is answered: just before the one that lets
 * it be answered. So it is sent at the note, and compared after the next step was sent.
 */
async function runSteps(engine: ScenarioEngine, steps: readonly Step[], calls: Calls): Promise<Omit<CaseResult, 'name'>> {
  const variables = new Map<string, Json>()
  const waiting = new Map<Step, Promise<string | undefined>>()
  const due: { readonly step: Step; readonly index: number; readonly problem: Promise<string | undefined> }[] = []
  for (const [index, step] of steps.entries()) {
    const call = callOf(calls, step)
    const waitsFor = waitsForNote(step)
    if (waitsFor !== undefined || (call === undefined && kindOf(step) !== undefined)) throw new PendingStep(waitsFor ?? networkOnly[kindOf(step)!] ?? kindOf(step))
    if (step.sleepMs !== undefined) await engine.sleep(step.sleepMs)
    const announced = announcedStep(steps.slice(index))
    if (announced !== undefined) {
      waiting.set(announced, runStep(engine, callOf(calls, announced)!, announced, variables))
      await engine.clock.advance(0)
    }
    const isWaiting = waiting.get(step)
    if (isWaiting !== undefined) due.push({ step, index, problem: isWaiting })
    if (call === undefined || isWaiting !== undefined || step.noResponse === true) continue
    due.push({ step, index, problem: runStep(engine, call, step, variables) })
    for (const entry of due.splice(0)) {
      const problem = await entry.problem
      if (problem !== undefined) return { ok: false, detail: `step ${entry.index} (${kindOf(entry.step) ?? 'note'}): ${problem}` }
    }
  }
  return { ok: true }
}

function kindOf(step: Step): string | undefined {
  return step.wire ?? step.op
}

function callOf(calls: Calls, step: Step): Call | undefined {
  if (step.wire !== undefined) return calls.wire[step.wire]
  return step.op === undefined ? undefined : calls.op[step.op]
}

/** `JOIN_GROUP is waiting` means the next JoinGroup of the second connection. */
function announcedStep([first, ...following]: readonly Step[]): Step | undefined {
  const api = /^([A-Z_]+) is waiting/.exec(first?.note ?? '')?.[1]?.replaceAll('_', '').toLowerCase()
  return api === undefined ? undefined : following.find((step) => step.wire?.toLowerCase() === api && step.connection === 'second')
}

/** Some notes say what the recording did and leave the steps out. */
function waitsForNote({ note }: Step): string | undefined {
  return note?.startsWith('produced:') ? 'batches that only a note tells of: their records are not in the recording' : undefined
}

async function runStep(engine: ScenarioEngine, call: Call, step: Step, variables: Map<string, Json>): Promise<string | undefined> {
  const input = substitute(step.request ?? step.args ?? {}, variables) as JsonObject
  let actual: Json
  try {
    actual = await call(engine, input, step)
  } catch (error) {
    if (error instanceof PendingStep) throw error
    if (error instanceof ClientOnlyStep) return undefined
    // The Java client asks for the topic again and again until its time is up; here it learns at once that there is none.
    if (step.error === 'TimeoutException' && isStreamError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) return undefined
    if (step.code === undefined && step.error !== undefined && isStreamError(error) && clientExceptions[step.error]?.includes(error.code)) return undefined
    if (step.code !== undefined) return errorNumberOf(error) === step.code ? undefined : `expected error ${step.code} (${step.error}), got ${String(error)}`
    return error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  // Where Java's consumer asks until its time is up, every answer is better.
  if (step.error === 'TimeoutException' && step.op !== undefined) return undefined
  if (step.error !== undefined) return `expected ${step.error}, got ${JSON.stringify(actual)}`
  const expected = step.response ?? step.result
  return expected === undefined || expected === 'ok' ? undefined : difference(expected, actual, variables, '')
}

function substitute(value: Json, variables: ReadonlyMap<string, Json>): Json {
  if (typeof value === 'string') return variables.get(value) ?? value
  if (Array.isArray(value)) return value.map((item: Json) => substitute(item, variables))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([field, item]) => [field, substitute(item as Json, variables)]))
}

/** Exact messages, throttling and what a partial last batch adds are no part of the contract; neither are replica epochs and where brokers are. */
const notCompared: ReadonlySet<string> = new Set(['errorMessage', 'error', 'throttleTimeMs', 'sizeInBytes', 'codec', 'leaderEpoch', 'recordErrors', 'currentLeader', 'nodeEndpoints', 'divergingEpoch', 'snapshotId'])

/** Only what was recorded is compared. `${x}` takes its value where it first appears, `<…>` stands for anything. */
function difference(expected: Json, actual: Json | undefined, variables: Map<string, Json>, path: string): string | undefined {
  if (typeof expected === 'string' && /^\$\{.*\}$/.test(expected)) {
    if (!variables.has(expected) && actual !== undefined) variables.set(expected, actual)
    return variables.get(expected) === actual ? undefined : `${path}: expected ${expected} = ${JSON.stringify(variables.get(expected))}, got ${JSON.stringify(actual)}`
  }
  if (typeof expected === 'string' && /^\/?<.*>$/.test(expected)) return undefined
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return `${path}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`
    const [wanted, found] = [inOrder(expected, variables), inOrder(actual as readonly Json[], variables)]
    return firstOf(wanted.map((item, index) => difference(item, found[index], variables, `${path}[${index}]`)))
  }
  if (typeof expected === 'object' && expected !== null) {
    const fields = (typeof actual === 'object' && actual !== null ? actual : {}) as JsonObject
    return firstOf(Object.entries(expected).filter(([field]) => !notCompared.has(field)).map(([field, item]) => difference(item as Json, fields[field], variables, `${path}.${field}`)))
  }
  return expected === actual ? undefined : `${path}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`
}

/** Lists of partitions, groups and members come in the order of a hash table. */
function inOrder(list: readonly Json[], variables: ReadonlyMap<string, Json>): readonly Json[] {
  if (list.every((item) => typeof item === 'number')) return list.toSorted((a, b) => (a as number) - (b as number))
  const keys = new Map(list.map((item) => [item, hashedBy(item, variables)]))
  return list.some((item) => keys.get(item) === undefined) ? list : list.toSorted((a, b) => (keys.get(a)! < keys.get(b)! ? -1 : 1))
}

function hashedBy(item: Json, variables: ReadonlyMap<string, Json>): Json | undefined {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return undefined
  const { partitionIndex, groupId, memberId, errorCode } = item as JsonObject
  if (memberId !== undefined && errorCode === undefined) return variables.get(memberId as string) ?? memberId
  return partitionIndex ?? groupId
}

function firstOf(problems: readonly (string | undefined)[]): string | undefined {
  return problems.find((problem) => problem !== undefined)
}
