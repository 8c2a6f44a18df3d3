import { StreamError } from '../../core/index.ts'

/**
 * Names of processors and stores as Kafka Streams gives them: one counter per builder, used up even where the program
 * gives a name, so that naming an operator does not rename the others (and orphan their stores).
 */
export class NameCounter {
  #next = 0

  /** `given`, or the prefix with the next number; either way the number is used up. */
  processor(prefix: string, given?: string): string {
    const generated = prefix + this.#number()
    return given === undefined ? generated : checkedName(given)
  }

  /** As `processor`, with a suffix behind a given name. */
  processorWithSuffix(prefix: string, given: string | undefined, suffix: string): string {
    return this.processor(prefix, given === undefined ? undefined : given + suffix)
  }

  store(prefix: string): string {
    return `${prefix}STATE-STORE-${this.#number()}`
  }

  #number(): string {
    return String(this.#next++).padStart(10, '0')
  }
}

const maxNameLength = 249

/** Names become parts of topic names, and follow their rules. */
export function checkedName(name: string): string {
  const problem = nameProblem(name)
  if (problem === null) return name
  throw new StreamError('TOPOLOGY_INVALID', `the name ${JSON.stringify(name)} cannot be used: ${problem}`)
}

function nameProblem(name: unknown): string | null {
  if (typeof name !== 'string') return 'a name is a string'
  if (name === '') return 'it is empty'
  if (name === '.' || name === '..') return "it must not be '.' or '..'"
  if (name.length > maxNameLength) return `it is longer than ${maxNameLength} characters`
  return /^[a-zA-Z0-9._-]+$/.test(name) ? null : "only ASCII letters, digits, '.', '_' and '-' are allowed"
}

/** True for names that a counter made for a stream's operator: they get generated names for the nodes of their repartition topic too. */
export function isGeneratedName(name: string): boolean {
  return /^KSTREAM.*-[0-9]{10}$/.test(name)
}

export function repartitionTopicName(prefix: string): string {
  return prefix.endsWith('-repartition') ? prefix : `${prefix}-repartition`
}

/** Of a topic: the pattern has to match all of it. */
export function wholeName(pattern: RegExp): RegExp {
  return new RegExp(`^(?:${pattern.source})$`, pattern.flags.replace(/[gy]/g, ''))
}
