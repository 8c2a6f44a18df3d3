import { NotHere } from './refusal.ts'

/** Who of a cluster of workers does what, as this worker knows it. */
export interface Cluster {
  /** `host:port` of its REST API, or a name. */
  readonly workerId: string
  /** Rises with each division of the work that this worker knows of: of two workers that believe that something is theirs, it tells who is behind. */
  readonly generation: number
  readonly isLeader: boolean
  ownsConnector(name: string): boolean
  ownsTask(name: string, task: number): boolean
  /** Only the leader changes configs. @throws NotHere with its address */
  requireLeader(): void
  /** @throws NotHere with the address of the worker that runs it */
  requireConnector(name: string): void
  requireTask(name: string, task: number): void
  /** Says whether this worker has its share and can answer. */
  isReady(): boolean
}

/** A worker that does everything itself. */
export function soloCluster(workerId: () => string): Cluster {
  return {
    get workerId() { return workerId() },
    generation: 0, isLeader: true,
    ownsConnector: () => true, ownsTask: () => true,
    requireLeader: () => {}, requireConnector: () => {}, requireTask: () => {},
    isReady: () => true,
  }
}

export function elsewhere(what: string, url: string | null): NotHere {
  return new NotHere(url === null ? 'Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway.' : `${what} is at ${url}`, url)
}
