/** Which lines belong together, such as an exception and its stack trace: the decision, line by line. */
import { hasOpenQuote } from '../formats/csv-format.ts'

export interface EntryRule {
  /** Whether `line` goes on with the lines before it. */
  continues(line: string, before: string): boolean
  /** Whether the entry can be given without looking at the next line. */
  isComplete(entry: string): boolean
}

/** A line that matches begins an entry. */
export function startRule(pattern: string): EntryRule {
  const expression = new RegExp(pattern, 'u')
  return { continues: (line) => !expression.test(line), isComplete: () => false }
}

/** A line that matches goes on with the entry before it. */
export function continuationRule(pattern: string): EntryRule {
  const expression = new RegExp(pattern, 'u')
  return { continues: (line) => expression.test(line), isComplete: () => false }
}

/** A line that matches has a successor: for lines that end with a backslash, say. */
export function unfinishedRule(pattern: string): EntryRule {
  const expression = new RegExp(pattern, 'u')
  const isUnfinished = (text: string) => expression.test(text.slice(text.lastIndexOf('\n') + 1))
  return { continues: (_line, before) => isUnfinished(before), isComplete: (entry) => !isUnfinished(entry) }
}

/** A record of separated values goes on while a quote is open. */
export function openQuoteRule(quote: string): EntryRule {
  return { continues: (_line, before) => hasOpenQuote(before, quote), isComplete: (entry) => !hasOpenQuote(entry, quote) }
}
