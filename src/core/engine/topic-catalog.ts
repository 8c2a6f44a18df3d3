import { replaceFile } from '../log/file-system.ts'
import type { FileSystem } from '../log/file-system.ts'
import { StreamError } from '../errors.ts'
import type { Random } from '../random.ts'
import { randomInteger } from '../random.ts'
import type { TopicPartition } from '../record.ts'
import type { TopicConfigs } from './topic-config.ts'

export interface CatalogTopic {
  readonly topic: string
  /** 16 bytes, written as Kafka writes them: base64url in 22 characters. */
  readonly topicId: string
  readonly partitions: number
  readonly configs: TopicConfigs
}

/** The content of `catalog.json`. */
interface CatalogFile {
  readonly format: 1
  /** No producer id from here on was ever given out. */
  readonly nextProducerId: number
  readonly topics: readonly CatalogTopic[]
  /** Topics that are gone, whose directories may be there; absent: none. */
  readonly leaving?: readonly LeavingTopic[]
}

/** The directories of these partitions go, but for those that a topic of the same name has by now. */
interface LeavingTopic {
  readonly topic: string
  readonly partitions: number
}

interface CatalogContent {
  readonly nextProducerId: number
  readonly topics: ReadonlyMap<string, CatalogTopic>
  readonly leaving: readonly LeavingTopic[]
}

const fileName = 'catalog.json'
const format = 1
/** Room for a million topics. */
const maxFileBytes = 256 * 1024 * 1024

/**
 * Which topics exist, and how they are configured: one small file that is replaced whole at each change, so that a crash
 * leaves the old list or the new one. It is the truth: a partition directory whose topic is not in it is left over.
 */
export class TopicCatalog {
  readonly #fileSystem: FileSystem
  readonly #path: string
  #content: CatalogContent
  /** Changes happen one after the other. */
  #lastChange: Promise<void> = Promise.resolve()
  readonly #listeners = new Set<() => void>()

  private constructor(fileSystem: FileSystem, path: string, content: CatalogFile) {
    this.#fileSystem = fileSystem
    this.#path = path
    const { nextProducerId, topics, leaving = [] } = content
    this.#content = { nextProducerId, topics: new Map(topics.map((topic) => [topic.topic, topic])), leaving }
  }

  /** @throws STORAGE_CORRUPT, UNSUPPORTED_FORMAT */
  static open(fileSystem: FileSystem, directory: string): TopicCatalog {
    const path = `${directory}/${fileName}`
    const bytes = fileSystem.readFile(path, maxFileBytes)
    const content = bytes === null ? { format, nextProducerId: 0, topics: [] } as const : parseCatalog(bytes, path)
    return new TopicCatalog(fileSystem, path, content)
  }

  get topics(): ReadonlyMap<string, CatalogTopic> {
    return this.#content.topics
  }

  /** Adds topics or replaces what is known of them. */
  put(topics: readonly CatalogTopic[]): Promise<void> {
    return this.#change(() => ({ topics: new Map([...this.topics, ...topics.map((topic) => [topic.topic, topic] as const)]) }))
  }

  /** Its directories are on record until `forget`: what a crash leaves of them goes when the log is opened again. */
  remove(name: string): Promise<void> {
    return this.#change(() => {
      const topics = new Map(this.topics)
      topics.delete(name)
      return { topics, leaving: [...this.#content.leaving, { topic: name, partitions: this.topics.get(name)?.partitions ?? 0 }] }
    })
  }

  /** Partitions whose directories nobody needs any more, and may be there. */
  leftOver(): readonly TopicPartition[] {
    return this.#content.leaving.flatMap(({ topic, partitions }) => {
      const first = this.topics.get(topic)?.partitions ?? 0
      return Array.from({ length: Math.max(0, partitions - first) }, (_, index) => ({ topic, partition: first + index }))
    })
  }

  /** The directories of removed topics, those of this name, are gone; the file says so from the next change on. */
  forget(name?: string): void {
    this.#content = { ...this.#content, leaving: this.#content.leaving.filter(({ topic }) => name !== undefined && topic !== name) }
  }

  /** The first of `count` producer ids that nobody else will ever get. */
  async reserveProducerIds(count: number): Promise<number> {
    let first = -1
    await this.#change(() => {
      first = this.#content.nextProducerId
      return { nextProducerId: first + count }
    })
    return first
  }

  /** Calls back after every change of the topics. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #change(compute: () => Partial<CatalogContent>): Promise<void> {
    const change = this.#lastChange.then(async () => {
      const changed = compute()
      try {
        await this.#write({ ...this.#content, ...changed })
      } catch (error) {
        // It may have got as far as the name: what goes on here must not be gone after a restart.
        await this.#write(this.#content).catch(() => undefined)
        throw error
      }
      this.#content = { ...this.#content, ...changed }
      if (changed.topics !== undefined) for (const listener of this.#listeners) listener()
    })
    this.#lastChange = change.catch(() => undefined)
    return change
  }

  #write({ topics, nextProducerId, leaving }: CatalogContent): Promise<void> {
    const content: CatalogFile = { format, nextProducerId, topics: [...topics.values()], ...(leaving.length > 0 && { leaving }) }
    return replaceFile(this.#fileSystem, this.#path, Buffer.from(`${JSON.stringify(content, null, 1)}\n`))
  }
}

export function randomTopicId(random: Random): string {
  return Buffer.from(Array.from({ length: 16 }, () => randomInteger(random, 256))).toString('base64url')
}

function parseCatalog(bytes: Uint8Array, path: string): CatalogFile {
  let content: unknown
  try {
    content = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch (error) {
    throw new StreamError('STORAGE_CORRUPT', `${path} is not the JSON it was written as; restore it from a backup`, { cause: error, details: { path } })
  }
  const { format: found, nextProducerId, topics, leaving = [] } = content as Partial<Record<keyof CatalogFile, unknown>>
  if (typeof found === 'number' && found > format) {
    throw new StreamError('UNSUPPORTED_FORMAT', `${path} has format ${found} and this version reads up to ${format}; open it with the newer version that wrote it`, { details: { path } })
  }
  if (found !== format || typeof nextProducerId !== 'number' || !Array.isArray(topics) || !Array.isArray(leaving)) {
    throw new StreamError('STORAGE_CORRUPT', `${path} does not describe a catalog; restore it from a backup`, { details: { path } })
  }
  return content as CatalogFile
}
