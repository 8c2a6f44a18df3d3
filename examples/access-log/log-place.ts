/** Where the topics are: in a directory, or on a cluster of Apache Kafka. Nothing else of the example knows the difference. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Broker, openEmbeddedBroker, openKafkaBroker } from 'millrace'
import { accessLog, perMinute } from './topology.ts'

export interface LogPlace {
  /** Topics in `broker/`, unless they are on a cluster, and the file sink's `hits-per-minute.jsonl`. */
  readonly dataDirectory: string
  /** `host:port,…` of some brokers of a cluster. */
  readonly kafka?: string | undefined
}

export const applicationId = 'hits-per-minute'
export const deadLetterTopic = 'access-log-dead-letters'
/** Where the connectors keep how far they have come. */
export const offsetsTopic = 'access-log-connect-offsets'
export const topics = [accessLog.name, perMinute.name, deadLetterTopic]

export const brokerDirectory = (dataDirectory: string) => join(dataDirectory, 'broker')

export function openLog({ dataDirectory, kafka }: LogPlace): Promise<Broker> {
  return kafka === undefined ? openEmbeddedBroker({ directory: brokerDirectory(dataDirectory) }) : openKafkaBroker({ brokers: kafka.split(',') })
}

/** Forgets all of an earlier run. The topics of a cluster may be somebody else's: they are deleted only when that is asked for. */
export async function beginAnew({ dataDirectory, kafka }: LogPlace, mayDeleteTopics: boolean): Promise<void> {
  rmSync(dataDirectory, { recursive: true, force: true })
  if (kafka === undefined) return
  const broker = await openLog({ dataDirectory, kafka })
  try {
    const found = (await broker.topics.list()).filter(isOurs)
    if (found.length > 0 && !mayDeleteTopics) throw new Error(`${kafka} has the topics ${found.join(', ')} already: add --anew to delete them and begin again`)
    if (found.length > 0) await broker.topics.remove(found)
  } finally {
    await broker.close()
  }
}

function isOurs(topic: string): boolean {
  return topics.includes(topic) || topic === offsetsTopic || (topic.startsWith(`${applicationId}-`) && /-(changelog|repartition)$/.test(topic))
}
