/** Who of the workers runs what: a pure function of what was, who is there, and what there is to do (incremental cooperative rebalancing, KIP-415). */

/** `connector` for a planner, `connector\n0` for a task. */
export type Unit = string

export interface WorkerShare {
  readonly url: string
  readonly units: readonly Unit[]
}

export interface Assignment {
  readonly sequence: number
  readonly generation: number
  readonly leader: string
  readonly workers: Readonly<Record<string, WorkerShare>>
  /** What a worker that went had, kept for it until `delayUntil`: milliseconds since the epoch. */
  readonly lost: Readonly<Record<string, readonly Unit[]>>
  readonly delayUntil: number | null
  /** Units were taken from workers that have too many; they are given out when these have let go. */
  readonly isRevoking: boolean
}

export interface AssignmentInput {
  readonly previous: Assignment | null
  readonly leader: string
  readonly generation: number
  /** Worker → its REST address. */
  readonly workers: ReadonlyMap<string, string>
  readonly units: readonly Unit[]
  readonly nowMs: number
  readonly maxDelayMs: number
}

export function taskUnit(connector: string, task: number): Unit {
  return `${connector}\n${task}`
}

const isTask = (unit: Unit) => unit.includes('\n')
/** Divided each by itself, as upstream: connectors only plan, and their names come first and then their tasks, so that one worker would get all the tasks. */
const kinds: readonly ((unit: Unit) => boolean)[] = [isTask, (unit) => !isTask(unit)]

/**
 * 1. Each worker keeps what it has and what still exists; one that came back has what was kept for it.
 * 2. What a worker that is gone had is kept for it until the delay is over, then it is free.
 * 3. A worker with more than its share, of connectors or of tasks, gives up the rest; it is free in the next round, when it has let go.
 * 4. What is free goes to whoever has least of its kind.
 */
export function assign({ previous, leader, generation, workers, units, nowMs, maxDelayMs }: AssignmentInput): Assignment {
  const existing = new Set(units)
  const shares = new Map([...workers.keys()].map((id) => [id, [...(previous?.workers[id]?.units ?? []), ...(previous?.lost[id] ?? [])].filter((unit) => existing.has(unit))]))
  const { lost, delayUntil } = lostUnits({ previous, workers, existing, nowMs, maxDelayMs })
  const taken = new Set([...shares.values(), ...Object.values(lost)].flat())
  const free = units.filter((unit) => !taken.has(unit))
  const held = Object.values(lost).flat().length
  const isRevoking = free.length === 0 && held === 0 && revoke(shares, units)
  for (const unit of free) leastLoaded(shares, unit).push(unit)
  return {
    sequence: (previous?.sequence ?? 0) + 1, generation, leader, lost, delayUntil, isRevoking,
    workers: Object.fromEntries([...workers].map(([id, url]) => [id, { url, units: shares.get(id)! }])),
  }
}

function lostUnits({ previous, workers, existing, nowMs, maxDelayMs }: Pick<AssignmentInput, 'previous' | 'workers' | 'nowMs' | 'maxDelayMs'> & { readonly existing: ReadonlySet<Unit> }): Pick<Assignment, 'lost' | 'delayUntil'> {
  const none = { lost: {}, delayUntil: null }
  if (previous === null || maxDelayMs === 0 || (previous.delayUntil !== null && previous.delayUntil <= nowMs)) return none
  const gone = Object.entries(previous.workers).filter(([id]) => !workers.has(id)).map(([id, { units }]) => [id, units] as const)
  const waiting = [...Object.entries(previous.lost).filter(([id]) => !workers.has(id)), ...gone]
    .map(([id, units]) => [id, units.filter((unit) => existing.has(unit))] as const).filter(([, units]) => units.length > 0)
  return waiting.length === 0 ? none : { lost: Object.fromEntries(waiting), delayUntil: previous.delayUntil ?? nowMs + maxDelayMs }
}

/** Takes away what is above the rounded-up share; true when it took something. */
function revoke(shares: ReadonlyMap<string, Unit[]>, units: readonly Unit[]): boolean {
  const excess = kinds.flatMap((isOfKind) => excessOf([...shares.values()].map((share) => share.filter(isOfKind)), units.filter(isOfKind).length))
  const taken = new Set(excess)
  for (const share of shares.values()) share.splice(0, share.length, ...share.filter((unit) => !taken.has(unit)))
  return taken.size > 0
}

function excessOf(shares: readonly (readonly Unit[])[], total: number): readonly Unit[] {
  const least = Math.floor(total / shares.length)
  if (shares.every(({ length }) => length >= least)) return []
  return shares.flatMap((share) => share.slice(Math.ceil(total / shares.length)))
}

function leastLoaded(shares: ReadonlyMap<string, Unit[]>, unit: Unit): Unit[] {
  const isOfKind = kinds.find((each) => each(unit))!
  const loads = [...shares].map(([id, share]) => ({ id, share, ofKind: share.filter(isOfKind).length }))
  return loads.toSorted((a, b) => a.ofKind - b.ofKind || a.share.length - b.share.length || (a.id < b.id ? -1 : 1))[0]!.share
}

/** Whether two say the same to every worker. */
export function isSameAssignment(a: Assignment | null, b: Assignment): boolean {
  const facts = (each: Assignment) => JSON.stringify([each.leader, each.generation, each.workers, each.lost, each.delayUntil, each.isRevoking])
  return a !== null && facts(a) === facts(b)
}

/** The records of the topic in which the leader tells the others, and they say that they have done it. */
export type AssignmentRecord = { readonly kind: 'assignment'; readonly assignment: Assignment } | { readonly kind: 'done'; readonly worker: string; readonly sequence: number }

export function encodeAssignmentRecord(record: AssignmentRecord): readonly [string, string] {
  return record.kind === 'assignment' ? ['assignment', JSON.stringify(record.assignment)] : [`done-${record.worker}`, JSON.stringify({ sequence: record.sequence })]
}

export function decodeAssignmentRecord(key: string | null, value: string | null): AssignmentRecord | undefined {
  if (key === null || value === null) return undefined
  try {
    const json = JSON.parse(value) as Partial<Assignment>
    if (key === 'assignment' && json.workers !== undefined) return { kind: 'assignment', assignment: json as Assignment }
    return key.startsWith('done-') && typeof json.sequence === 'number' ? { kind: 'done', worker: key.slice('done-'.length), sequence: json.sequence } : undefined
  } catch {
    return undefined
  }
}
