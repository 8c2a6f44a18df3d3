/** Kafka's rules for topic names. */
import { StreamError } from '../errors.ts'

const maxNameLength = 249

/** @throws INVALID_TOPIC */
export function validateTopicName(name: string): void {
  const problem = problemWith(name)
  if (problem !== undefined) throw new StreamError('INVALID_TOPIC', `Topic name is invalid: ${problem}`, { details: { topic: name } })
}

/** `a.b` and `a_b` may not both exist, because names of metrics cannot tell them apart. @throws INVALID_TOPIC */
export function checkCollision(name: string, existing: Iterable<string>): void {
  if (!/[._]/.test(name)) return
  const folded = name.replaceAll('.', '_')
  for (const other of existing) {
    if (other !== name && other.replaceAll('.', '_') === folded) {
      throw new StreamError('INVALID_TOPIC', `Topic '${name}' collides with existing topic: ${other}`, { details: { topic: name, existing: other } })
    }
  }
}

function problemWith(name: unknown): string | undefined {
  if (typeof name !== 'string') return `it must be text, and is ${typeof name}`
  if (name === '') return 'the empty string is not allowed'
  if (name === '.' || name === '..') return `'${name}' is not allowed`
  if (name.length > maxNameLength) return `the length of '${name}' is longer than the max allowed length ${maxNameLength}`
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) return `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
  return undefined
}
