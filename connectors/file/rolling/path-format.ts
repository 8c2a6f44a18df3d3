/** Names of files with places for topic, partition, first offset and the time of the record. */
import { dirname, resolve } from 'node:path'
import type { SinkRecord } from 'millrace/connect'

const placeholder = /\{([^}]*)\}/gu
const timePlaceholder = /^(?:yyyy|MM|dd|HH|mm|[-_.T:])+$/u
const timeToken = /yyyy|MM|dd|HH|mm/gu

/** Undefined when it can be used. */
export function pathComplaint(path: string): string | undefined {
  const names = [...path.matchAll(placeholder)].map(([, name]) => name!)
  for (const needed of ['partition', 'offset']) if (!names.includes(needed)) return `the name needs {${needed}}, so that no two files have the same`
  const unknown = names.find((name) => !['topic', 'partition', 'offset'].includes(name) && !timePlaceholder.test(name))
  return unknown === undefined ? undefined : `{${unknown}} is none of {topic}, {partition}, {offset} and times such as {yyyy-MM-dd}`
}

/** The deepest folder that all files share: what is not finished yet is kept in it. */
export function rootOf(path: string): string {
  return dirname(resolve(path.replace(/\{.*$/su, 'x')))
}

/** All of the name but its offset: records with the same one belong to the same file. */
export function groupOf(path: string, record: SinkRecord): string {
  const { originalTopic, originalPartition, timestamp } = record
  return path.replace(placeholder, (whole, name: string) => {
    if (name === 'topic') return originalTopic
    if (name === 'partition') return String(originalPartition)
    return name === 'offset' ? whole : timeText(name, timestamp)
  })
}

/** Padded, so that names sort as offsets do. */
export function withOffset(group: string, offset: number): string {
  return resolve(group.replaceAll('{offset}', String(offset).padStart(20, '0')))
}

/** A record without a time belongs to no day. */
function timeText(pattern: string, timestamp: number | null): string {
  if (timestamp === null || timestamp < 0 || timestamp > 253_402_300_799_999) return 'none'
  const [year, month, day, hour, minute] = new Date(timestamp).toISOString().split(/[-T:]/u)
  const parts: Readonly<Record<string, string>> = { yyyy: year!, MM: month!, dd: day!, HH: hour!, mm: minute! }
  return pattern.replace(timeToken, (token) => parts[token]!)
}
