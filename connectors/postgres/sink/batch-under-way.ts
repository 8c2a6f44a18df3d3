import { isStreamError } from 'millrace/connect'
import type { SinkOffsets, SinkRecord, TopicPartition } from 'millrace/connect'

/** Resolves when they are committed; calls `sent` when all of them are with the server. */
export type WriteBatch = (records: readonly SinkRecord[], sent: () => void) => Promise<void>

/**
 * The batch that was sent last: while the server works on it, the next one is read and converted. Its records are kept until they are committed,
 * for nobody hands them over again.
 *
 *   start ──► sent ──► committed
 *                  └─► failed ──► settle(): written once more, or the error
 */
export class BatchUnderWay {
  #records: readonly SinkRecord[] = []
  #written: Promise<void> | undefined

  /** Resolves when the batch is sent. @throws when it fails before that: whoever called hands it over again */
  async start(records: readonly SinkRecord[], write: WriteBatch): Promise<void> {
    let isSent: () => void = noop
    const sent = new Promise<void>((resolve) => { isSent = resolve })
    this.#records = records
    const written = write(records, isSent).then(() => { this.#records = [] })
    written.catch(noop)
    this.#written = written
    try {
      await Promise.race([sent, written])
    } catch (error) {
      this.#records = []
      this.#written = undefined
      throw error
    }
  }

  /** Resolves when nothing is left to be committed. @throws what stands in the way; the records are kept */
  async settle(write: WriteBatch): Promise<void> {
    const written = this.#written
    this.#written = undefined
    try {
      await written
    } catch (error) {
      if (!isStreamError(error) || !error.retriable) throw error
    }
    if (this.#records.length > 0) await write(this.#records, noop)
    this.#records = []
  }

  /** Resolves when nothing is on its way, whatever became of it. */
  async rest(): Promise<void> {
    await this.#written?.catch(noop)
  }

  /** They belong to somebody else now, who reads them again. */
  drop(partitions: readonly TopicPartition[]): void {
    this.#records = this.#records.filter((record) => !partitions.some(({ topic, partition }) => topic === record.originalTopic && partition === record.originalPartition))
  }

  /** No further than the first record that is not committed. */
  safe(offsets: SinkOffsets): SinkOffsets {
    if (this.#records.length === 0) return offsets
    return offsets.map((position) => {
      const first = this.#records.find((record) => record.originalTopic === position.topic && record.originalPartition === position.partition)
      return first === undefined ? position : { ...position, offset: Math.min(position.offset, first.originalOffset) }
    })
  }
}

const noop = () => undefined
