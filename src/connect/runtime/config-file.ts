/** Configs as files: JSON in its two forms, and Java properties. Reading the file is the caller's. */
import type { RawConfig } from '../config-spec.ts'
import { configError, describeError } from '../errors.ts'
import type { NamedConfig } from './connector-config.ts'

/**
 * A connector's file: `.properties`, or JSON, either `{"name": …, "config": {…}}` or flat with `name` inside.
 * @throws INVALID_CONFIG naming the file and the place
 */
export function parseConnectorFile(file: string, text: string): NamedConfig {
  const parsed = parseFile(file, text)
  const nested = parsed['config']
  if (typeof nested === 'object' && nested !== null && !Array.isArray(nested)) {
    const stray = Object.keys(parsed).filter((key) => !['name', 'config', 'initial_state', '$schema'].includes(key))
    if (stray.length > 0) throw configError(`${file}: "${stray[0]}" stands beside "config"; settings of the connector belong inside it`)
    return named(file, parsed['name'], textConfig(file, nested as Readonly<Record<string, unknown>>))
  }
  return named(file, parsed['name'], textConfig(file, parsed))
}

/** A worker's file: flat JSON or `.properties`. @throws INVALID_CONFIG */
export function parseWorkerFile(file: string, text: string): RawConfig {
  return textConfig(file, parseFile(file, text))
}

function named(file: string, name: unknown, config: RawConfig): NamedConfig {
  const own = name ?? config['name']
  if (typeof own !== 'string' || own.trim() === '') throw configError(`${file}: "name" is missing: a connector needs one`)
  return { name: own, config }
}

function parseFile(file: string, text: string): Readonly<Record<string, unknown>> {
  if (file.endsWith('.properties')) return parseProperties(text)
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw configError(`${file}: this is not JSON: ${describeError(error)}`, { cause: error })
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Readonly<Record<string, unknown>>
  throw configError(`${file}: a JSON object is needed, with a setting a member`)
}

/** Numbers and booleans become text, as upstream's REST API does it; `$schema` is for editors. */
export function textConfig(file: string, members: Readonly<Record<string, unknown>>): RawConfig {
  return Object.fromEntries(Object.entries(members).filter(([key]) => key !== '$schema').map(([key, value]) => {
    if (value === null || typeof value === 'string') return [key, value]
    if (typeof value === 'number' || typeof value === 'boolean') return [key, String(value)]
    throw configError(`${file}: the value of "${key}" must be text, a number or a boolean, not ${Array.isArray(value) ? 'an array; write a list as "a,b,c"' : 'an object'}`)
  }))
}

/** Java's format: `key=value`, `key: value` or `key value`, `#` and `!` for comments, a backslash at the end of a line goes on. */
export function parseProperties(text: string): Readonly<Record<string, string>> {
  const config: Record<string, string> = {}
  for (const line of logicalLines(text)) {
    const match = /^((?:\\[\s\S]|[^\\=:\s])*)\s*(?:[=:]\s*)?([\s\S]*)$/.exec(line)!
    config[unescapeProperty(match[1]!)] = unescapeProperty(match[2]!)
  }
  return config
}

function logicalLines(text: string): readonly string[] {
  const lines: string[] = []
  let open = ''
  for (const each of text.split(/\r\n|\r|\n/)) {
    const line = each.trimStart()
    if (open === '' && (line === '' || /^[#!]/.test(line))) continue
    const goesOn = /(?:^|[^\\])(?:\\\\)*\\$/.test(line)
    open += goesOn ? line.slice(0, -1) : line
    if (goesOn) continue
    lines.push(open)
    open = ''
  }
  return open === '' ? lines : [...lines, open]
}

const escapes: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

function unescapeProperty(text: string): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|[\s\S])/g, (_whole, each: string) => (each.length === 5 ? String.fromCharCode(parseInt(each.slice(1), 16)) : (escapes[each] ?? each)))
}
