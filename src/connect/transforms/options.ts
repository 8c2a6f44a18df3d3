/** Options that several transforms have, with upstream's complaints. */
import { z } from 'zod'
import { option } from '../config-spec.ts'
import { javaRegex } from './java-regex.ts'

export const replaceNull = option.boolean({ doc: 'Whether null becomes the default where a field has one.', default: true, importance: 'medium' })

export const nonEmpty = z.string().refine((text) => text !== '', 'String must be non-empty')

/** A list that must have an entry. */
export const someNames = z.array(z.string()).refine((names) => names.length > 0, 'Empty list')

/** One of the words, in exactly this case. */
export function exactly(...words: readonly string[]): z.ZodType {
  return z.string().refine((text) => words.includes(text), `String must be one of: ${words.join(', ')}`)
}

/** A Java regular expression of the kind that can be run here. */
export const regex = z.string().superRefine((text, context) => {
  const compiled = javaRegex(text)
  if (typeof compiled === 'string') context.addIssue({ code: 'custom', message: `Invalid regex: ${compiled}` })
})
