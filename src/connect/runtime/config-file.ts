/** Configs as files: JSON in its two forms, and Java properties. Reading the file is the caller's. */
import type { RawConfig } from '../config-spec.ts'
import { configError, describeError } from '../errors.ts'
import { parseProperties } from '../properties.ts'
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
    const initialState = stateOf(file, parsed['initial_state'])
    return { ...named(file, parsed['name'], textConfig(file, nested as Readonly<Record<string, unknown>>)), ...(initialState && { initialState }) }
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

function stateOf(file: string, given: unknown): NamedConfig['initialState'] {
  if (given === undefined || given === null) return undefined
  const found = (['RUNNING', 'PAUSED', 'STOPPED'] as const).find((state) => typeof given === 'string' && given.toUpperCase() === state)
  if (found === undefined) throw configError(`${file}: "initial_state" must be RUNNING, PAUSED or STOPPED`)
  return found
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
