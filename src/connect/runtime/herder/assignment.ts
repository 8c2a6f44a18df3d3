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

/**
 * 1. Each worker keeps what it has and what still exists; one that came back has what was kept for it.
 * 2. What a worker that is gone had is kept for it until the delay is over, then it is free.
 * 3. A worker with more than its share gives up the rest; it is free in the next round, when it has let go.
 * 4. What is free goes to whoever has least.
 */
export function assign({ previous, leader, generation, workers, units, nowMs, maxDelayMs }: AssignmentInput): Assignment {
  const existing = new Set(units)
  const shares = new Map([...workers.keys()].map((id) => [id, [...(previous?.workers[id]?.units ?? []), ...(previous?.lost[id] ?? [])].filter((unit) => existing.has(unit))]))
  const { lost, delayUntil } = lostUnits({ previous, workers, existing, nowMs, maxDelayMs })
  const taken = new Set([...shares.values(), ...Object.values(lost)].flat())
  const free = units.filter((unit) => !taken.has(unit))
  const held = Object.values(lost).flat().length
  const isRevoking = free.length === 0 && held === 0 && revoke(shares, units.length)
  for (const unit of free) leastLoaded(shares).push(unit)
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
function revoke(shares: ReadonlyMap<string, Unit[]>, total: number): boolean {
  const most = Math.ceil(total / shares.size)
  const least = Math.floor(total / shares.size)
  if ([...shares.values()].every(({ length }) => length >= least)) return false
  const crowded = [...shares.values()].filter(({ length }) => length > most)
  for (const share of crowded) share.splice(most)
  return crowded.length > 0
}

function leastLoaded(shares: ReadonlyMap<string, Unit[]>): Unit[] {
  const byLoad = [...shares].toSorted(([a, mine], [b, theirs]) => mine.length - theirs.length || (a < b ? -1 : 1))
  return byLoad[0]![1]
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
