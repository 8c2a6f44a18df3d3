import { sealBatch, sequenceAfter } from '../log/record-batch.ts'
import { partitionKey } from '../record.ts'
import type { TopicPartition } from '../record.ts'

/** The id and epoch under which a producer writes, and the next sequence number of each partition. -1 while it has none. */
export class ProducerIdentity {
  #producerId = -1
  #producerEpoch = -1
  readonly #nextSequences = new Map<string, number>()

  get producerId(): number {
    return this.#producerId
  }

  get producerEpoch(): number {
    return this.#producerEpoch
  }

  /** Sequences begin again at 0 with a new id or epoch. */
  adopt(producerId: number, producerEpoch: number): void {
    this.#producerId = producerId
    this.#producerEpoch = producerEpoch
    this.#nextSequences.clear()
  }

  /** Makes it the batch that follows the last acknowledged one of its partition; sealing it again changes nothing. */
  seal(target: TopicPartition, bytes: Uint8Array, transactional: boolean): void {
    const baseSequence = this.#producerId < 0 ? -1 : this.#nextSequence(target)
    sealBatch(bytes, { producerId: this.#producerId, producerEpoch: this.#producerEpoch, baseSequence, transactional })
  }

  acknowledged(target: TopicPartition, recordCount: number): void {
    this.#nextSequences.set(partitionKey(target.topic, target.partition), sequenceAfter(this.#nextSequence(target), recordCount))
  }

  #nextSequence(target: TopicPartition): number {
    return this.#nextSequences.get(partitionKey(target.topic, target.partition)) ?? 0
  }
}
