/**
 * A cluster's history forks when a standby is promoted and when a backup is recovered to a point in time: the new history, the next
 * timeline, has the old one up to the fork and its own behind it. What was read behind the fork happened in no history that goes on.
 */
import { lsnText, parseLsn } from './lsn.ts'

/**
 * Why a position that was read from `stored` is not part of the history of `present`; undefined when it is. `history`: the server's
 * file about `present`, one line for each timeline before it: its number, where it was left, and why.
 */
export function forkBefore(lsn: bigint, stored: number, present: number, history: string): string | undefined {
  const lines = history.split('\n').map((line) => /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line))
  const left = lines.find((line) => Number(line?.[1]) === stored)?.[2]
  if (left === undefined) return `the server goes by timeline ${present}, which does not come from timeline ${stored}, which was read so far: it was recovered from a backup to another point`
  if (parseLsn(left) >= lsn) return undefined
  return `the server goes by timeline ${present}, which left timeline ${stored} at ${left}, before ${lsnText(lsn)} up to which was read: it was promoted without everything, or recovered to a point in time`
}
