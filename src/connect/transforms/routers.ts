import { option } from '../config-spec.ts'
import type { TransformPlugin } from '../connector.ts'
import { dataError, describeError } from '../errors.ts'
import { JavaDateFormat } from './java-date-format.ts'
import { expandReplacement, javaRegex } from './java-regex.ts'
import { regex } from './options.ts'
import { wholeRecord, withTopic } from './sides.ts'

/** Drops every record; stands behind a predicate. */
export const filter: TransformPlugin = wholeRecord('Filter', {}, () => ({ apply: () => null }))

export const regexRouter: TransformPlugin = wholeRecord('RegexRouter', {
  regex: option.string({ doc: 'Regular expression that must match the whole topic.', importance: 'high', rule: regex }),
  replacement: option.string({ doc: 'What replaces the first match; $1 is a group.', importance: 'high' }),
}, (config) => {
  const first = javaRegex(config.regex) as RegExp
  const whole = new RegExp(`^(?:${first.source})$`, first.flags)
  const routed = (from: string): string => {
    if (!whole.test(from)) return from
    const match = first.exec(from)!
    try {
      return from.slice(0, match.index) + expandReplacement(match, config.replacement) + from.slice(match.index + match[0].length)
    } catch (cause) {
      throw dataError(`the replacement "${config.replacement}" cannot be filled in for topic ${from}: ${describeError(cause)}`, { cause })
    }
  }
  // records of a topic come in rows
  let last: { readonly from: string; readonly to: string } | undefined
  return {
    apply(record) {
      if (last?.from !== record.topic) last = { from: record.topic, to: routed(record.topic) }
      return last.to === record.topic ? record : withTopic(record, last.to)
    },
  }
})

export const timestampRouter: TransformPlugin = wholeRecord('TimestampRouter', {
  'topic.format': option.string({ doc: 'The new topic; ${topic} and ${timestamp} are filled in.', default: '${topic}-${timestamp}', importance: 'high' }),
  'timestamp.format': option.string({ doc: 'How the timestamp is written, as Java\'s SimpleDateFormat, in UTC.', default: 'yyyyMMdd', importance: 'high' }),
}, (config) => {
  let format: JavaDateFormat | undefined
  return {
    apply(record) {
      if (record.timestamp === null || record.timestamp === undefined) throw dataError(`Timestamp missing on record of topic ${record.topic}`)
      format ??= new JavaDateFormat(config['timestamp.format'])
      const timestamp = format.format(record.timestamp)
      return withTopic(record, config['topic.format'].replaceAll('${topic}', () => record.topic).replaceAll('${timestamp}', () => timestamp))
    },
  }
})
