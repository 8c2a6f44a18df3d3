/** The options that say what lines hold, and what they make of a line. */
import { option } from 'millrace/connect'
import type { ConfigOption } from 'millrace/connect'
import { z } from 'zod'
import { continuationRule, openQuoteRule, startRule, unfinishedRule } from '../lines/entry-rule.ts'
import type { EntryRule } from '../lines/entry-rule.ts'
import { accessLogFormat } from './access-log-format.ts'
import { csvFormat } from './csv-format.ts'
import { parseFieldTypes } from './field-types.ts'
import { jsonFormat } from './json-format.ts'
import type { LineFormat } from './line-format.ts'
import { logfmtFormat } from './logfmt-format.ts'
import { regexComplaint, regexFormat } from './regex-format.ts'
import { syslogFormat } from './syslog-format.ts'

const oneCharacter = z.string().length(1, 'one character is needed')
const delimiterCheck = z.string().regex(/^(?:[^\n\r]|\\t)$/u, 'one character, or \\t for a tab')

export const formatOptions = {
  format: option.oneOf(['lines', 'json', 'csv', 'tsv', 'access-log', 'logfmt', 'syslog', 'regex'], {
    doc: 'What lines hold. lines: text. json: a JSON value each. csv, tsv: separated values. access-log: the common or combined log of a web server. logfmt: key=value pairs. syslog: RFC 5424 or RFC 3164. regex: what the named groups of regex.pattern find. All but lines and json make an object of a line.',
    default: 'lines',
  }),
  'csv.delimiter': option.custom('string', delimiterCheck, { doc: 'What separates the fields of format=csv.', default: ',' }),
  'csv.quote': option.string({ doc: 'What fields may be enclosed in. Inside, it is doubled, and line ends belong to the field.', default: '"', check: oneCharacter }),
  'csv.columns': option.list({ doc: 'Names of the columns, for files without a header. Empty: the first line of each file has them.', default: [] }),
  'regex.pattern': option.string({ doc: 'For format=regex: a regular expression of JavaScript with named groups, (?<name>…).', default: null }),
  'field.types': option.list({
    doc: 'What fields stand for, as name:type, of the formats whose fields are text. Types: string, int, float, boolean, timestamp (from ISO 8601 to milliseconds since the epoch), json. Empty text is null for all but string.',
    default: [],
  }),
  'timestamp.field': option.string({ doc: 'The field that holds the time of the record, in milliseconds since the epoch or as ISO 8601. Default: the time of reading.', default: null }),
  'bad.line': option.oneOf(['fail', 'skip', 'dead-letter'], {
    doc: 'What becomes of a line that is not of the format. fail: the task stops and says where. skip: it is passed over, with a warning. dead-letter: it goes to `dead.letter.topic`.',
    default: 'fail',
  }),
  'multiline.pattern': option.string({ doc: 'A regular expression that says which lines belong together, such as ^\\S for traces with indented lines.', default: null }),
  'multiline.mode': option.oneOf(['start', 'continuation', 'unfinished'], {
    doc: 'What a line that matches multiline.pattern is. start: the first of a record. continuation: it belongs to the line before. unfinished: the next line belongs to it.',
    default: 'start',
  }),
  'multiline.timeout.ms': option.int({ doc: 'How long a record waits for another line before it is given as it is.', default: 5_000, check: z.number().min(1) }),
  'multiline.max.lines': option.int({ doc: 'Most lines of a record; further ones begin another.', default: 500, check: z.number().min(1) }),
  'multiline.max.bytes': option.int({ doc: 'Most bytes of a record of several lines; further lines begin another.', default: 65_536, check: z.number().min(1) }),
} as const

export type FormatConfig = { readonly [K in keyof typeof formatOptions]: (typeof formatOptions)[K] extends ConfigOption<infer T> ? T : never }

/** @param now for formats whose times name no year */
export function lineFormatOf(config: FormatConfig, now: () => number): LineFormat | null {
  const csv = { quote: config['csv.quote'], columns: config['csv.columns'].length === 0 ? undefined : config['csv.columns'] }
  switch (config.format) {
    case 'lines':
      return null
    case 'json':
      return jsonFormat
    case 'csv':
      return csvFormat({ ...csv, delimiter: config['csv.delimiter'] === '\\t' ? '\t' : config['csv.delimiter'] })
    case 'tsv':
      return csvFormat({ ...csv, delimiter: '\t' })
    case 'access-log':
      return accessLogFormat
    case 'logfmt':
      return logfmtFormat
    case 'syslog':
      return syslogFormat(now)
    case 'regex':
      return regexFormat(config['regex.pattern']!)
  }
}

export function entryRuleOf(config: FormatConfig): EntryRule | null {
  if (config.format === 'csv' || config.format === 'tsv') return openQuoteRule(config['csv.quote'])
  const pattern = config['multiline.pattern']
  if (pattern === null) return null
  return { start: startRule, continuation: continuationRule, unfinished: unfinishedRule }[config['multiline.mode']](pattern)
}

/** What is wrong with the options together: option → complaint. */
export function formatRules(config: FormatConfig & { readonly encoding: string; readonly 'invalid.bytes': string }): Readonly<Record<string, string>> {
  const complaints: Record<string, string> = {}
  const pattern = config['regex.pattern']
  if (config.format === 'regex') {
    const complaint = pattern === null ? 'format=regex needs regex.pattern' : regexComplaint(pattern)
    if (complaint !== undefined) complaints['regex.pattern'] = complaint
  }
  if (config['multiline.pattern'] !== null) {
    if (config.format === 'csv' || config.format === 'tsv') complaints['multiline.pattern'] = `format=${config.format} knows by its quotes which lines belong together`
    else if (!isExpression(config['multiline.pattern'])) complaints['multiline.pattern'] = 'multiline.pattern is no regular expression'
  }
  const passesBytes = config['invalid.bytes'] === 'bytes' && (config.format !== 'lines' || config['multiline.pattern'] !== null || config.encoding !== 'utf-8')
  if (passesBytes) complaints['invalid.bytes'] = 'invalid.bytes=bytes is for format=lines with encoding=utf-8 and single lines; choose replace or dead-letter'
  if (config.encoding === 'bytes' && config.format !== 'lines') complaints['encoding'] = `format=${config.format} needs text; name the encoding`
  if (config['timestamp.field'] !== null && config.format === 'lines') complaints['timestamp.field'] = 'format=lines has no fields'
  try {
    parseFieldTypes(config['field.types'])
  } catch (error) {
    complaints['field.types'] = (error as Error).message
  }
  return complaints
}

function isExpression(pattern: string): boolean {
  try {
    return new RegExp(pattern, 'u').source !== ''
  } catch {
    return false
  }
}
