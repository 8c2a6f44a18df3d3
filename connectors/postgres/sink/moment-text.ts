/** Moments as `toISOString` writes them, without a Date: there may be millions of them. */

/** `2026-11-21T07:00:00.000Z` */
export const momentBytes = 24

const dayMs = 86_400_000
const dayLength = '2026-11-21T'.length
const [zero, colon, point, letterZ] = [0x30, 0x3a, 0x2e, 0x5a]
/** Moments that come one behind the other tend to be of one day. */
const lastDay = { number: Number.NaN, isUsual: false, bytes: Buffer.alloc(dayLength) }
const scratch = Buffer.alloc(momentBytes)

/** Undefined outside the years 0001 to 9999. */
export function momentText(fractional: number): string | undefined {
  return writeMoment(fractional, scratch, 0) ? scratch.toString('latin1') : undefined
}

/** Writes it at that place, where there is room. False outside the years 0001 to 9999: nothing is written. */
export function writeMoment(fractional: number, to: Uint8Array, at: number): boolean {
  const moment = Math.trunc(fractional)
  const day = Math.floor(moment / dayMs)
  if (day !== lastDay.number) noteDay(day)
  if (!lastDay.isUsual) return false
  for (let index = 0; index < dayLength; index++) to[at + index] = lastDay.bytes[index]!
  const ms = moment - day * dayMs
  const seconds = Math.trunc(ms / 1_000)
  const minutes = Math.trunc(seconds / 60)
  writeTwoDigits(Math.trunc(minutes / 60), to, at + 11)
  to[at + 13] = colon
  writeTwoDigits(minutes % 60, to, at + 14)
  to[at + 16] = colon
  writeTwoDigits(seconds % 60, to, at + 17)
  to[at + 19] = point
  to[at + 20] = zero + Math.trunc((ms % 1_000) / 100)
  writeTwoDigits(ms % 100, to, at + 21)
  to[at + 23] = letterZ
  return true
}

function writeTwoDigits(value: number, to: Uint8Array, at: number): void {
  const tens = Math.trunc(value / 10)
  to[at] = zero + tens
  to[at + 1] = zero + value - 10 * tens
}

function noteDay(day: number): void {
  const date = new Date(day * dayMs)
  const text = Number.isNaN(date.getTime()) ? '' : date.toISOString().slice(0, -13)
  lastDay.number = day
  lastDay.isUsual = text.length === dayLength && text >= '0001'
  if (lastDay.isUsual) lastDay.bytes.write(text)
}
