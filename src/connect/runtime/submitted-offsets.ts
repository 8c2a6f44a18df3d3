import type { SourceOffset, SourcePartition } from '../connect-record.ts'

/** Stands for records that become durable together; shared by all of them. */
export interface Ticket {
  /** Set once, when what it stands for is in the log, or will never be. */
  acknowledged: boolean
}

/** For records that a transform or the error tolerance dropped: nothing to wait for. */
export const droppedTicket: Ticket = Object.freeze({ acknowledged: true })

/** Where a record stands in its source. */
interface Positioned {
  readonly sourcePartition: SourcePartition
  readonly sourceOffset: SourceOffset
}

interface Submitted {
  readonly ticket: Ticket
  /** null: to be forgotten. */
  offset: SourceOffset | null
}

interface Queue {
  readonly partition: SourcePartition
  readonly entries: Submitted[]
}

/**
 * Source offsets of records on their way, per source partition and in order. Committable is the end of the longest prefix
 * that is acknowledged, so that one slow record holds back its own source partition and no other, and a gap is never
 * skipped. Records with one ticket in a row take one entry: memory follows the batches in flight, not the records.
 */
export class SubmittedOffsets {
  readonly #queues = new Map<string, Queue>()
  #lastPartition: SourcePartition | undefined
  #lastQueue: Queue | undefined
  /** The last record of a run that shares source partition and ticket: no offset before it is looked at. */
  #run: Positioned | undefined
  #runTicket: Ticket = droppedTicket

  /** As `submit`, but the record is asked for its offset when its run ends, if it is the last one of it. */
  submitRecord(record: Positioned, ticket: Ticket): void {
    if (this.#run !== undefined && (ticket !== this.#runTicket || !hasSameMembers(record.sourcePartition, this.#run.sourcePartition))) this.endRun()
    this.#run = record
    this.#runTicket = ticket
  }

  /** What records of the present poll stand for is not known any more at the next one. */
  endRun(): void {
    const run = this.#run
    this.#run = undefined
    if (run !== undefined) this.#submit(run.sourcePartition, run.sourceOffset, this.#runTicket)
  }

  submit(partition: SourcePartition, offset: SourceOffset | null, ticket: Ticket): void {
    this.endRun()
    this.#submit(partition, offset, ticket)
  }

  #submit(partition: SourcePartition, offset: SourceOffset | null, ticket: Ticket): void {
    const { entries } = this.#queueOf(partition)
    const last = entries.at(-1)
    if (last?.ticket === ticket) last.offset = offset
    else entries.push({ ticket, offset })
  }

  /** Takes out what can be committed now: the last offset of each acknowledged prefix. */
  takeCommittable(): readonly (readonly [SourcePartition, SourceOffset | null])[] {
    this.endRun()
    const committable: (readonly [SourcePartition, SourceOffset | null])[] = []
    for (const [identity, { partition, entries }] of this.#queues) {
      const pending = entries.findIndex(({ ticket }) => !ticket.acknowledged)
      const prefix = entries.splice(0, pending === -1 ? entries.length : pending)
      if (prefix.length > 0) committable.push([partition, prefix.at(-1)!.offset])
      if (entries.length === 0) this.#forget(identity)
    }
    return committable
  }

  get isEmpty(): boolean {
    return this.#queues.size === 0 && this.#run === undefined
  }

  /** Records tend to come in runs of one partition, so the last one is worth a look before its identity is worked out. */
  #queueOf(partition: SourcePartition): Queue {
    if (this.#lastPartition !== undefined && hasSameMembers(partition, this.#lastPartition)) return this.#lastQueue!
    const identity = partitionIdentity(partition)
    let queue = this.#queues.get(identity)
    if (queue === undefined) {
      queue = { partition, entries: [] }
      this.#queues.set(identity, queue)
    }
    this.#lastPartition = partition
    this.#lastQueue = queue
    return queue
  }

  #forget(identity: string): void {
    this.#queues.delete(identity)
    this.#lastPartition = undefined
  }
}

function hasSameMembers(a: SourcePartition, b: SourcePartition): boolean {
  if (a === b) return true
  for (const name in a) if (a[name] !== b[name]) return false
  for (const name in b) if (!Object.hasOwn(a, name)) return false
  return true
}

/** The same for partitions with the same members, in whatever order. */
export function partitionIdentity(partition: SourcePartition): string {
  return JSON.stringify(Object.entries(partition).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
