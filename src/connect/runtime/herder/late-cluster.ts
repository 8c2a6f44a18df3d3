import type { Cluster } from './cluster.ts'
import { elsewhere } from './cluster.ts'
import type { ClusterMember } from './cluster-member.ts'

/** The cluster of a worker that answers already and has not joined yet: nothing is its own, and nobody is known. */
export class LateCluster implements Cluster {
  member: ClusterMember | undefined

  get workerId(): string {
    return this.member?.workerId ?? ''
  }

  get generation(): number {
    return this.member?.generation ?? -1
  }

  get isLeader(): boolean {
    return this.member?.isLeader ?? false
  }

  ownsConnector(name: string): boolean {
    return this.member?.ownsConnector(name) ?? false
  }

  ownsTask(name: string, task: number): boolean {
    return this.member?.ownsTask(name, task) ?? false
  }

  requireLeader(): void {
    this.#joined().requireLeader()
  }

  requireConnector(name: string): void {
    this.#joined().requireConnector(name)
  }

  requireTask(name: string, task: number): void {
    this.#joined().requireTask(name, task)
  }

  isReady(): boolean {
    return this.member?.isReady() ?? false
  }

  #joined(): ClusterMember {
    if (this.member === undefined) throw elsewhere('the leader', null)
    return this.member
  }
}
