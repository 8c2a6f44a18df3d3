/** What the members of an application's group tell its leader, and it tells them, beside topics and partitions: JSON, whose `version` says what may be in it. */

/** How far a member is with a task that it has. */
export interface TaskProgress {
  /** Records of changelogs that the stores of this member do not have yet. */
  readonly lag: number
  /** Records that the changelogs have in all: what restoring would take where nothing is there. */
  readonly size: number
}

export interface MemberData {
  /** Members of one instance are in one process, and are lost together. */
  readonly instance: string
  /** Tasks that it runs. */
  readonly active: ReadonlyMap<string, TaskProgress>
  /** Tasks whose stores it follows. */
  readonly standby: ReadonlyMap<string, TaskProgress>
  /** Where it answers queries. */
  readonly endpoint: string | null
  /** It failed in a way that is to end every instance of the application. */
  readonly asksShutdown: boolean
}

export interface LeaderData {
  /** Tasks that the member follows to be able to take them over. */
  readonly standbys: readonly string[]
  /** Those among them that it is to take over once it has caught up. */
  readonly warmUps: readonly string[]
  /** Where the standbys of a task answer queries. */
  readonly standbyEndpoints: ReadonlyMap<string, readonly string[]>
  readonly shutdown: ShutdownRequest
}

/**
 * The end of the whole application: `asked` by a member, so who hears it ends; `known`: by every member, so nobody is left who could
 * miss it. One that joined this round and did not come to hear its outcome, because another round has begun, is in the next one.
 */
export type ShutdownRequest = 'none' | 'asked' | 'known'

export const noLeaderData: LeaderData = { standbys: [], warmUps: [], standbyEndpoints: new Map(), shutdown: 'none' }

const version = 1
const encoder = new TextEncoder()
const decoder = new TextDecoder()

export function encodeMemberData({ instance, active, standby, endpoint, asksShutdown }: MemberData): Uint8Array {
  return encoder.encode(JSON.stringify({ version, instance, active: progressPairs(active), standby: progressPairs(standby), endpoint, ...(asksShutdown && { asksShutdown }) }))
}

/** What another program sent along says nothing; `instance` is then the member itself. */
export function decodeMemberData(memberId: string, bytes: Uint8Array | null): MemberData {
  const found = parsed(bytes)
  return {
    instance: typeof found['instance'] === 'string' ? found['instance'] : memberId,
    active: progressMap(found['active']),
    standby: progressMap(found['standby']),
    endpoint: typeof found['endpoint'] === 'string' ? found['endpoint'] : null,
    asksShutdown: found['asksShutdown'] === true,
  }
}

export function encodeLeaderData({ standbys, warmUps, standbyEndpoints, shutdown }: LeaderData): Uint8Array {
  return encoder.encode(JSON.stringify({ version, standbys, warmUps, standbyEndpoints: Object.fromEntries(standbyEndpoints), ...(shutdown !== 'none' && { shutdown }) }))
}

export function decodeLeaderData(bytes: Uint8Array | null): LeaderData {
  const found = parsed(bytes)
  const endpoints = isObject(found['standbyEndpoints']) ? Object.entries(found['standbyEndpoints']) : []
  return {
    standbys: texts(found['standbys']),
    warmUps: texts(found['warmUps']),
    standbyEndpoints: new Map(endpoints.map(([taskId, list]) => [taskId, texts(list)])),
    shutdown: found['shutdown'] === 'asked' || found['shutdown'] === 'known' ? found['shutdown'] : 'none',
  }
}

/** The client id of a thread's member, which is all that the group tells those outside of it. */
export function consumerClientId(thread: string, endpoint: string | null): string {
  return endpoint === null ? `${thread}-consumer` : `${thread}-consumer@${endpoint}`
}

export function endpointIn(clientId: string): string | null {
  const at = clientId.indexOf('@')
  return at === -1 ? null : clientId.slice(at + 1)
}

function progressPairs(tasks: ReadonlyMap<string, TaskProgress>): Readonly<Record<string, readonly [number, number]>> {
  return Object.fromEntries([...tasks].map(([taskId, { lag, size }]) => [taskId, [lag, size]]))
}

function progressMap(value: unknown): ReadonlyMap<string, TaskProgress> {
  const entries = isObject(value) ? Object.entries(value) : []
  return new Map(entries.flatMap(([taskId, pair]) => {
    const [lag, size] = Array.isArray(pair) ? (pair as readonly unknown[]) : []
    return isCount(lag) && isCount(size) ? [[taskId, { lag, size }] as const] : []
  }))
}

function parsed(bytes: Uint8Array | null): Readonly<Record<string, unknown>> {
  if (bytes === null || bytes.byteLength === 0) return {}
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes))
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}
