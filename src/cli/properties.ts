import { StreamError, didYouMean } from '../core/index.ts'

export type Properties = Readonly<Record<string, string>>

/** @throws INVALID_CONFIG for a `--property` that does not exist, with the one that was probably meant and all there are */
export function checkProperties(given: Properties, known: readonly string[]): void {
  const unknown = Object.keys(given).find((name) => !known.includes(name))
  if (unknown === undefined) return
  throw new StreamError('INVALID_CONFIG', `there is no property ${unknown} among ${known.join(', ')}${didYouMean(unknown, known)}`, { details: { key: unknown } })
}
