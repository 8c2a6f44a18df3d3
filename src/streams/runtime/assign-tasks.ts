import type { MemberData, TaskProgress } from './member-data.ts'

export interface TaskToAssign {
  readonly taskId: string
  /** Its stores have changelogs: whoever takes it over has to have, or to restore, what they say. */
  readonly hasState: boolean
}

export interface MemberToAssign extends Pick<MemberData, 'instance' | 'active' | 'standby'> {
  readonly member: string
}

export interface AssignmentRules {
  /** Copies of each task's stores beside the one in use, each in another instance, as far as there are instances. */
  readonly standbyReplicas: number
  /** A member whose stores lack no more records than this may take a task over at once. */
  readonly acceptableRecoveryLag: number
  /** Copies at a time, beyond the standby replicas, that members make to take over what is not theirs yet. */
  readonly maxWarmupReplicas: number
}

export interface TaskAssignment {
  readonly active: readonly string[]
  readonly standby: readonly string[]
  /** Those among `standby` that the member takes over when it has caught up. */
  readonly warmUp: readonly string[]
}

/**
 * Divides tasks and standbys among members, so that what has state moves only to where its state is (KIP-441):
 * 1. a balanced division, in which tasks stay where they run, then go where their stores are followed, then to who has least
 * 2. a task that would go where its stores are not, although another member has them, stays with that one; where it is to go, a warm-up begins
 * 3. standbys, each in an instance that has no other copy; those that exist stay as far as that is fair
 * A warm-up that has caught up makes its member join anew, which ends in 1. as wished.
 */
export function assignTasks(tasks: readonly TaskToAssign[], members: readonly MemberToAssign[], rules: AssignmentRules): ReadonlyMap<string, TaskAssignment> {
  return new Division(tasks, members, rules).divide()
}

class Division {
  readonly #tasks: readonly TaskToAssign[]
  readonly #members: readonly MemberToAssign[]
  readonly #rules: AssignmentRules
  readonly #owner = new Map<string, MemberToAssign>()
  readonly #copies = new Map<string, MemberToAssign[]>()
  readonly #warmUps = new Set<string>()

  constructor(tasks: readonly TaskToAssign[], members: readonly MemberToAssign[], rules: AssignmentRules) {
    this.#tasks = tasks
    this.#members = members
    this.#rules = rules
  }

  divide(): ReadonlyMap<string, TaskAssignment> {
    this.#balance()
    this.#waitForState()
    for (let replica = 0; replica < this.#rules.standbyReplicas; replica++) this.#placeStandbys(replica + 1)
    return new Map(this.#members.map((member) => {
      const standby = this.#tasks.filter(({ taskId }) => this.#copies.get(taskId)?.includes(member)).map(({ taskId }) => taskId)
      return [member.member, {
        active: this.#tasks.filter(({ taskId }) => this.#owner.get(taskId) === member).map(({ taskId }) => taskId),
        standby,
        warmUp: standby.filter((taskId) => this.#warmUps.has(`${member.member} ${taskId}`)),
      }]
    }))
  }

  /** No member gets two more than another. */
  #balance(): void {
    const share = Math.floor(this.#tasks.length / this.#members.length)
    let extra = this.#tasks.length % this.#members.length
    const load = new Map(this.#members.map((member) => [member, 0]))
    const open = new Map(this.#tasks.map((task) => [task.taskId, task]))
    const give = (taskId: string, member: MemberToAssign) => {
      if (load.get(member)! === share) extra--
      this.#owner.set(taskId, member)
      load.set(member, load.get(member)! + 1)
      open.delete(taskId)
    }
    const hasRoom = (member: MemberToAssign) => load.get(member)! < share || (load.get(member)! === share && extra > 0)
    for (const member of this.#members) {
      // What another could take over at once, or will soon, is given up first.
      const kept = [...member.active.keys()].filter((taskId) => open.has(taskId))
      const order = kept.map((taskId) => [taskId, this.#isFollowedElsewhere(taskId, member) ? 1 : 0] as const).sort((a, b) => a[1] - b[1])
      for (const [taskId] of order) if (hasRoom(member)) give(taskId, member)
    }
    const followed = [...open.keys()].flatMap((taskId) => this.#members.flatMap((member) => {
      const progress = member.standby.get(taskId)
      return progress === undefined ? [] : [{ taskId, member, lag: progress.lag }]
    })).sort((a, b) => a.lag - b.lag)
    for (const { taskId, member } of followed) if (open.has(taskId) && hasRoom(member)) give(taskId, member)
    for (const taskId of [...open.keys()]) give(taskId, this.#members.filter(hasRoom).reduce((least, member) => (load.get(member)! < load.get(least)! ? member : least)))
  }

  #isFollowedElsewhere(taskId: string, owner: MemberToAssign): boolean {
    return this.#members.some((member) => member !== owner && member.standby.has(taskId))
  }

  #waitForState(): void {
    let warmUps = 0
    for (const { taskId, hasState } of this.#tasks) {
      const target = this.#owner.get(taskId)!
      if (!hasState || this.#hasCaughtUp(target, taskId)) continue
      const holders = this.#members.filter((member) => this.#hasCaughtUp(member, taskId))
      const [first] = holders
      if (first === undefined || this.#lagOf(target, taskId) <= this.#rules.acceptableRecoveryLag) continue
      this.#owner.set(taskId, holders.find((member) => member.active.has(taskId)) ?? holders.reduce((least, member) => (this.#activeLoad(member) < this.#activeLoad(least) ? member : least), first))
      if (warmUps >= this.#rules.maxWarmupReplicas) continue
      warmUps++
      this.#copies.set(taskId, [target])
      this.#warmUps.add(`${target.member} ${taskId}`)
    }
  }

  #hasCaughtUp(member: MemberToAssign, taskId: string): boolean {
    const progress = progressOf(member, taskId)
    return progress !== undefined && progress.lag <= this.#rules.acceptableRecoveryLag
  }

  /** Where the member has nothing of it: all that there is. */
  #lagOf(member: MemberToAssign, taskId: string): number {
    return progressOf(member, taskId)?.lag ?? Math.max(...this.#members.map((other) => progressOf(other, taskId)?.size ?? 0))
  }

  /** The nth standby of each task: where one is already, then where least is. Warm-ups come on top. */
  #placeStandbys(replica: number): void {
    const wanting = this.#tasks.filter(({ taskId, hasState }) => hasState && this.#standbysOf(taskId).length < replica)
    const fair = Math.ceil((this.#tasks.filter(({ hasState }) => hasState).length * replica) / this.#members.length)
    for (const { taskId } of wanting) {
      const [closest] = this.#eligible(taskId).filter((member) => member.standby.has(taskId) && this.#standbyLoad(member) < fair)
        .sort((a, b) => a.standby.get(taskId)!.lag - b.standby.get(taskId)!.lag)
      if (closest !== undefined) this.#addCopy(taskId, closest)
    }
    for (const { taskId } of wanting) {
      if (this.#standbysOf(taskId).length >= replica) continue
      const eligible = this.#eligible(taskId)
      // What was active here a moment ago is the best copy there is.
      const [best] = eligible.sort((a, b) => Number(b.active.has(taskId)) - Number(a.active.has(taskId)) || this.#load(a) - this.#load(b))
      if (best !== undefined) this.#addCopy(taskId, best)
    }
  }

  #standbysOf(taskId: string): readonly MemberToAssign[] {
    return (this.#copies.get(taskId) ?? []).filter((member) => !this.#warmUps.has(`${member.member} ${taskId}`))
  }

  #eligible(taskId: string): MemberToAssign[] {
    const taken = new Set([this.#owner.get(taskId)!, ...(this.#copies.get(taskId) ?? [])].map(({ instance }) => instance))
    return this.#members.filter(({ instance }) => !taken.has(instance))
  }

  #addCopy(taskId: string, member: MemberToAssign): void {
    this.#copies.set(taskId, [...(this.#copies.get(taskId) ?? []), member])
  }

  #activeLoad(member: MemberToAssign): number {
    return [...this.#owner.values()].filter((owner) => owner === member).length
  }

  #standbyLoad(member: MemberToAssign): number {
    return [...this.#copies.values()].filter((members) => members.includes(member)).length
  }

  #load(member: MemberToAssign): number {
    return this.#activeLoad(member) + this.#standbyLoad(member)
  }
}

function progressOf({ active, standby }: MemberToAssign, taskId: string): TaskProgress | undefined {
  return active.get(taskId) ?? standby.get(taskId)
}
