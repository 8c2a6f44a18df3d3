import type { Header, RecordView, TopicPartition } from './record.ts'

/** What a dead-letter topic tells about a record: Kafka Streams' headers (KIP-1034) and Kafka Connect's (KIP-298) alike. */
export interface DeadLetter {
  /** Where the record was read when it failed; null when the headers do not say. */
  readonly origin: (TopicPartition & { readonly offset: number }) | null
  /** False: Kafka Streams and Millrace write neither key nor value where what failed was no record, or one not at hand any more: there is nothing to put back. */
  readonly hasRecord: boolean
  /** Name of the error's class or its code; empty when unknown. */
  readonly error: string
  readonly message: string
  /** The record's own, without those about the failure. */
  readonly headers: readonly Header[]
}

const families = [
  { prefix: '__streams.errors.', error: 'exception', message: 'message' },
  { prefix: '__connect.errors.', error: 'exception.class.name', message: 'exception.message' },
] as const
const decoder = new TextDecoder()

/** Reads the headers of a record of a dead-letter topic. */
export function readDeadLetter(record: RecordView): DeadLetter {
  const about = new Map<string, string>()
  for (const { key, value } of record.headers) if (isAboutFailure(key)) about.set(key, decoder.decode(value ?? new Uint8Array()))
  const family = families.find(({ prefix, message }) => about.has(`${prefix}topic`) || about.has(prefix + message)) ?? families[0]
  const fact = (name: string) => about.get(family.prefix + name)
  return {
    origin: originOf(fact('topic'), fact('partition'), fact('offset')),
    hasRecord: family !== families[0] || record.key !== null || record.value !== null,
    error: fact(family.error) ?? '',
    message: fact(family.message) ?? '',
    headers: record.headers.filter(({ key }) => !isAboutFailure(key)),
  }
}

function isAboutFailure(key: string): boolean {
  return families.some(({ prefix }) => key.startsWith(prefix))
}

function originOf(topic: string | undefined, partition: string | undefined, offset: string | undefined): DeadLetter['origin'] {
  if (topic === undefined || topic === '' || !isCount(partition) || !isCount(offset)) return null
  return { topic, partition: Number(partition), offset: Number(offset) }
}

function isCount(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,15}$/.test(text)
}
