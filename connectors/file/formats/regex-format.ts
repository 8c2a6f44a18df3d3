import { dataError } from 'millrace/connect'
import { objectFormat } from './line-format.ts'
import type { LineFormat } from './line-format.ts'

/** The named groups of a regular expression; a group that took no part is null. */
export function regexFormat(pattern: string): LineFormat {
  const expression = new RegExp(pattern, 'su')
  return objectFormat((text) => {
    const match = expression.exec(text)
    if (match === null) throw dataError('the line does not match regex.pattern')
    return Object.fromEntries(Object.entries(match.groups ?? {}).map(([name, value]) => [name, value ?? null]))
  })
}

/** Undefined when it can be used. */
export function regexComplaint(pattern: string): string | undefined {
  try {
    const names = new RegExp(`${pattern}|`, 'su').exec('')?.groups
    return names === undefined ? 'regex.pattern needs at least one named group, such as (?<status>\\d+)' : undefined
  } catch (error) {
    return `regex.pattern is no regular expression: ${(error as Error).message}`
  }
}
