/** Options that several transforms have, with upstream's complaints. */
import { z } from 'zod'
import { option } from '../config-spec.ts'
import { javaRegex } from './java-regex.ts'

export const replaceNull = option.boolean({ doc: 'Whether null becomes the default where a field has one.', default: true, importance: 'medium' })

export const nonEmpty = z.string().refine((text) => text !== '', 'String must be non-empty')

/** The rules below are asked about null, too, which stands for what is missing. */
type Rule<T> = (value: T | null, name: string) => string | null

/** A list that must have an entry. */
export const someNames: Rule<readonly string[]> = (names, name) => (names === null || names.length === 0 ? `Invalid value ${names === null ? 'null' : '[]'} for configuration ${name}: Empty list` : null)

/** A list of names that are names. */
export const realNames: Rule<readonly string[]> = (names, name) => {
  if (names === null) return `Configuration '${name}' values must not be null.`
  if (names.length === 0) return `Configuration '${name}' must not be empty. Valid values include: any non-empty value`
  return names.includes('') ? `Configuration '${name}' values must not be empty.` : null
}

/** Anything, but there. */
export const present: Rule<string> = (text, name) => (text === null ? `Invalid value null for configuration ${name}: entry must be non null` : null)

/** One of the words, in exactly this case. */
export function exactly(...words: readonly string[]): Rule<string> {
  return (text, name) => (text !== null && words.includes(text) ? null : `Invalid value ${text} for configuration ${name}: String must be one of: ${words.join(', ')}`)
}

/** The complaint of a step that throws it. */
export function complaintOf(step: () => unknown): string | null {
  try {
    step()
    return null
  } catch (error) {
    return (error as Error).message
  }
}

/** A Java regular expression of the kind that can be run here. */
export const regex: Rule<string> = (text, name) => {
  const compiled = text === null ? 'there is none' : javaRegex(text)
  return typeof compiled === 'string' ? `Invalid value ${text} for configuration ${name}: Invalid regex: ${compiled}` : null
}
