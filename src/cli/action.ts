import { StreamError } from '../core/index.ts'

/** The one flag of several that says what to do, as Kafka's tools have it. @throws INVALID_ARGUMENT unless exactly one is set */
export function chosenAction<Name extends string>(options: Readonly<Partial<Record<Name, boolean>>>, names: readonly Name[]): Name {
  const chosen = names.filter((name) => options[name] === true)
  if (chosen.length === 1) return chosen[0]!
  throw new StreamError('INVALID_ARGUMENT', `give exactly one of ${names.map(flagOf).join(', ')}`)
}

/** @throws INVALID_ARGUMENT when an option that the action needs is missing */
export function needed<T>(value: T | undefined, option: string, action: string): T {
  if (value === undefined) throw new StreamError('INVALID_ARGUMENT', `--${action} needs ${option}`)
  return value
}

/** `resetOffsets` → `--reset-offsets`. */
function flagOf(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}
