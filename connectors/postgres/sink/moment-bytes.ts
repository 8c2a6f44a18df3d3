/** Moments as PostgreSQL counts them. */

export interface Moment {
  /** Since 2000. */
  readonly ms: number
  /** Beyond them: 0 to 999. */
  readonly micros: number
}

const dayMs = 86_400_000
const epochMs = Date.UTC(2000, 0, 1)
/** What is before and after is written in other forms. */
const firstMs = Date.parse('0001-01-01T00:00:00.000Z')
const lastMs = Date.parse('9999-12-31T23:59:59.999Z')

/** There may be millions of them. */
const scratch = { ms: 0, micros: 0 }
/** Texts that come one behind the other tend to be of one day. */
const lastDay = { text: 'none', days: Number.NaN }

const dayLength = '2026-11-21'.length
const secondLength = '2026-11-21T07:00:00'.length
const mostDigits = 6
const [zero, dash, colon, point, space, letterT, letterZ] = [0x30, 0x2d, 0x3a, 0x2e, 0x20, 0x54, 0x5a]

/**
 * Milliseconds since 1970, a Date, or a text such as `2026-11-21T07:00:00.123456Z`. Undefined for what only the database can read, or refuses.
 * Good until the next call. `isWithZone`: a text needs a zone; else it has none, or it does not matter.
 */
export function momentOf(value: unknown, isWithZone: boolean): Moment | undefined {
  if (typeof value === 'string') return ofText(value, isWithZone)
  const ms = typeof value === 'number' ? Math.trunc(value) : value instanceof Date ? value.getTime() : Number.NaN
  if (!(ms >= firstMs && ms <= lastMs)) return undefined
  scratch.ms = ms - epochMs
  scratch.micros = 0
  return scratch
}

/** Days since 2000 of `2026-11-21`. */
export function daysOf(text: string): number | undefined {
  return text.length === dayLength ? daysAtStart(text) : undefined
}

function ofText(text: string, isWithZone: boolean): Moment | undefined {
  const isUtc = text.charCodeAt(text.length - 1) === letterZ
  const end = isUtc ? text.length - 1 : text.length
  if (end < secondLength || (isWithZone && !isUtc)) return undefined
  const between = text.charCodeAt(dayLength)
  if ((between !== letterT && between !== space) || text.charCodeAt(13) !== colon || text.charCodeAt(16) !== colon) return undefined
  const [hours, minutes, seconds] = [twoDigits(text, 11), twoDigits(text, 14), twoDigits(text, 17)]
  const micros = end === secondLength ? 0 : microsOf(text, end)
  const days = daysAtStart(text)
  if (days === undefined || !(hours < 24 && minutes < 60 && seconds < 60 && micros >= 0)) return undefined
  const ms = Math.trunc(micros / 1_000)
  scratch.ms = days * dayMs + ((hours * 60 + minutes) * 60 + seconds) * 1_000 + ms
  scratch.micros = micros - 1_000 * ms
  return scratch
}

/** NaN when there is something else. */
function microsOf(text: string, end: number): number {
  const digits = end - secondLength - 1
  if (text.charCodeAt(secondLength) !== point || digits < 1 || digits > mostDigits) return Number.NaN
  let micros = 0
  for (let at = secondLength + 1; at < end; at++) micros = 10 * micros + digit(text, at)
  for (let place = digits; place < mostDigits; place++) micros *= 10
  return micros
}

function daysAtStart(text: string): number | undefined {
  if (text.startsWith(lastDay.text)) return lastDay.days
  if (text.charCodeAt(4) !== dash || text.charCodeAt(7) !== dash) return undefined
  const [year, month, day] = [100 * twoDigits(text, 0) + twoDigits(text, 2), twoDigits(text, 5), twoDigits(text, 8)]
  if (!(year >= 1 && month >= 1 && day >= 1)) return undefined
  const date = new Date(epochMs)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  lastDay.text = text.slice(0, dayLength)
  lastDay.days = (date.getTime() - epochMs) / dayMs
  return lastDay.days
}

/** NaN when there is something else. */
function twoDigits(text: string, at: number): number {
  return 10 * digit(text, at) + digit(text, at + 1)
}

function digit(text: string, at: number): number {
  const value = text.charCodeAt(at) - zero
  return value >= 0 && value <= 9 ? value : Number.NaN
}
