import type { Broker, Reader } from 'millrace'
import { deadLetterTopic } from './log-place.ts'
import { perMinute } from './topology.ts'
import { TopPaths } from './top-paths.ts'

/** A reader of the counts and the dead letters, from the first. */
export async function openResults(broker: Broker): Promise<Reader> {
  const reader = await broker.openReader()
  reader.assign([perMinute.name, deadLetterTopic].map((topic) => ({ topic, partition: 0, offset: 0 })))
  return reader
}

/** Everything that was committed since the last time. */
export async function readCommitted(reader: Reader, visit: (topic: string, value: Uint8Array | null) => void): Promise<void> {
  for (;;) {
    const { partitions } = await reader.read({ maxWaitMs: 0 })
    if (partitions.length === 0) return
    for (const { topic, batches } of partitions) {
      for (const batch of batches) batch.forEach(({ value }) => visit(topic, value))
    }
  }
}

/** Follows the results as any other program would: by reading their topics. */
export class CountsReader {
  readonly paths = new TopPaths()
  deadLetters = 0
  #reader: Reader

  private constructor(reader: Reader) {
    this.#reader = reader
  }

  static async open(broker: Broker): Promise<CountsReader> {
    return new CountsReader(await openResults(broker))
  }

  /** Lines that were counted or set aside. */
  get lines(): number {
    return this.paths.totalHits + this.deadLetters
  }

  /** Takes in what was committed so far. */
  async catchUp(): Promise<void> {
    await readCommitted(this.#reader, (topic, value) => this.#take(topic, value))
  }

  close(): Promise<void> {
    return this.#reader.close()
  }

  #take(topic: string, value: Uint8Array | null): void {
    if (topic === deadLetterTopic) this.deadLetters++
    else if (value !== null) {
      const { path, minute, hits } = perMinute.valueSerde.deserialize(value)
      this.paths.update(path, Date.parse(minute), hits)
    }
  }
}
