/** How far a table was read, as it is stored. */
import { connectorError } from 'millrace/connect'
import type { SourceOffset } from 'millrace/connect'

export interface Progress {
  /** Every row that an earlier transaction wrote was given. */
  readonly horizon: bigint
  /** While a window is being read: its end, the next transaction at its opening, and the last row given. */
  readonly round: { readonly until: bigint; readonly next: bigint; readonly after: readonly string[] } | null
  /** Below this value of the first order column nothing is missing; null: not known yet. */
  readonly low: string | null
  /** Without transaction numbers: the last row given. */
  readonly after: readonly string[] | null
}

export const atBeginning: Progress = { horizon: 0n, round: null, low: null, after: null }

export function offsetOf({ horizon, round, low, after }: Progress): SourceOffset {
  return {
    horizon: String(horizon),
    ...(round === null ? {} : { until: String(round.until), next: String(round.next), row: JSON.stringify(round.after) }),
    ...(low === null ? {} : { low }),
    ...(after === null ? {} : { after: JSON.stringify(after) }),
  }
}

/** @throws a connector error when it was not written by this connector */
export function progressOf(offset: SourceOffset): Progress {
  try {
    const { horizon, until, next, row, low, after } = offset
    return {
      horizon: BigInt(String(horizon)),
      round: typeof until === 'string' ? { until: BigInt(until), next: BigInt(String(next)), after: texts(String(row)) } : null,
      low: typeof low === 'string' ? low : null,
      after: typeof after === 'string' ? texts(after) : null,
    }
  } catch (error) {
    throw connectorError(`the stored offset ${JSON.stringify(offset)} is no position of this connector`, { cause: error })
  }
}

function texts(json: string): readonly string[] {
  const items: unknown = JSON.parse(json)
  if (!Array.isArray(items) || items.some((item) => typeof item !== 'string')) throw new TypeError(`${json} is no list of texts`)
  return items as string[]
}
