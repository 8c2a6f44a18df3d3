/**
 * Java's string hash, and the order in which a Java hash table gives its keys back. Kafka's assignors iterate over such
 * tables, so whoever wants to divide partitions as Kafka's members do has to visit in the same order.
 */
import type { TopicPartition } from './record.ts'

const smallestTable = 16
const loadFactor = 0.75

/** `String.hashCode`: over UTF-16 code units, as a signed 32-bit number. */
export function javaHashCode(text: string): number {
  let hash = 0
  for (let at = 0; at < text.length; at++) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0
  return hash
}

/** `org.apache.kafka.common.TopicPartition.hashCode`. */
export function javaPartitionHashCode({ topic, partition }: TopicPartition): number {
  return (Math.imul(31 + partition, 31) + javaHashCode(topic)) | 0
}

/** The order of iteration over a `HashMap` or `HashSet` that these keys, all different, were put into one by one and that once had `largestSize` of them. */
export function inHashTableOrder<T>(keys: readonly T[], hashOf: (key: T) => number, largestSize = keys.length): readonly T[] {
  let buckets = smallestTable
  while (largestSize > buckets * loadFactor) buckets *= 2
  const bucketOf = (key: T) => {
    const hash = hashOf(key)
    return (hash ^ (hash >>> 16)) & (buckets - 1)
  }
  return keys.map((key) => ({ key, bucket: bucketOf(key) })).sort((a, b) => a.bucket - b.bucket).map(({ key }) => key)
}
