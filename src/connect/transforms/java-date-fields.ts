/** The letters of a date format: how each is written and read. */
import { civilOf } from '../java-calendar.ts'
import { startOfYear, weekOf } from './java-date-calendar.ts'

export const fieldLetters = 'GyYMwDdFEuaHkKhmsSzZX'

/** What was read; absent: not in the format. */
export interface DateFields {
  era?: 'AD' | 'BC'
  year?: number
  weekYear?: number
  month?: number
  week?: number
  dayOfYear?: number
  day?: number
  weekday?: number
  afternoon?: boolean
  hour?: number
  hour12?: number
  minute?: number
  second?: number
  millisecond?: number
  zone?: Zone
}

export interface Zone {
  readonly offsetMs: number
  readonly name: string
}

interface Piece {
  readonly letter: string
  readonly count: number
}

const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December']
const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const minuteMs = 60_000

/** Zones by their English abbreviations, in minutes east of Greenwich; those that mean one thing only. */
const zoneMinutes: Readonly<Record<string, number>> = {
  UTC: 0, GMT: 0, UT: 0, Z: 0, WET: 0, WEST: 60, CET: 60, CEST: 120, EET: 120, EEST: 180, MSK: 180, JST: 540, HST: -600,
  PST: -480, PDT: -420, MST: -420, MDT: -360, CST: -360, CDT: -300, EST: -300, EDT: -240,
}

const pad = (value: number, count: number) => String(value).padStart(count, '0')

/** `local`: its UTC fields are those of the zone. */
export function formatField(piece: Piece, local: Date, zone: Zone): string {
  return 'GyYMwDdFEu'.includes(piece.letter) ? formatDay(piece, local) : formatTime(piece, local, zone)
}

function formatDay({ letter, count }: Piece, local: Date): string {
  const { year, month, day } = civilOf(local)
  switch (letter) {
    case 'G': return year > 0 ? 'AD' : 'BC'
    case 'y': return formatYear(eraYear(year), count)
    case 'Y': return formatYear(weekOf(local).year, count)
    case 'M': return count > 2 ? shortened(months[month - 1]!, count) : pad(month, count)
    case 'w': return pad(weekOf(local).week, count)
    case 'D': return pad(Math.floor((local.getTime() - startOfYear(year)) / 86_400_000) + 1, count)
    case 'd': return pad(day, count)
    case 'F': return pad(Math.ceil(day / 7), count)
    case 'E': return shortened(weekdays[local.getUTCDay()]!, count)
    default: return pad(local.getUTCDay() || 7, count)
  }
}

function formatTime({ letter, count }: Piece, local: Date, zone: Zone): string {
  const hour = local.getUTCHours()
  switch (letter) {
    case 'a': return hour < 12 ? 'AM' : 'PM'
    case 'H': return pad(hour, count)
    case 'k': return pad(hour || 24, count)
    case 'K': return pad(hour % 12, count)
    case 'h': return pad(hour % 12 || 12, count)
    case 'm': return pad(local.getUTCMinutes(), count)
    case 's': return pad(local.getUTCSeconds(), count)
    case 'S': return pad(local.getUTCMilliseconds(), count)
    case 'z': return zone.name
    case 'Z': return offsetText(zone.offsetMs, '')
    default: return zone.offsetMs === 0 ? 'Z' : offsetText(zone.offsetMs, count === 3 ? ':' : '').slice(0, count === 1 ? 3 : undefined)
  }
}

function eraYear(year: number): number {
  return year > 0 ? year : 1 - year
}

function formatYear(year: number, count: number): string {
  return count === 2 ? pad(year % 100, 2) : pad(year, count)
}

function shortened(name: string, count: number): string {
  return count > 3 ? name : name.slice(0, 3)
}

function offsetText(offsetMs: number, colon: string): string {
  const minutes = Math.abs(offsetMs) / minuteMs
  return `${offsetMs < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60), 2)}${colon}${pad(minutes % 60, 2)}`
}

export interface ParseOptions {
  /** What is read goes here. */
  readonly fields: DateFields
  readonly isAbutting: boolean
  /** Years of two digits are the first ones from here on. */
  readonly pivotYear: number
}

/** Where reading goes on, or undefined when the text has no such field here. */
export function parseField(text: string, from: number, piece: Piece, options: ParseOptions): number | undefined {
  let at = from
  while (text[at] === ' ' || text[at] === '\t') at++
  const { fields } = options
  switch (piece.letter) {
    case 'G': return parseName(text, at, ['AD', 'BC'], (index) => { fields.era = index === 0 ? 'AD' : 'BC' })
    case 'a': return parseName(text, at, ['AM', 'PM'], (index) => { fields.afternoon = index === 1 })
    case 'E': return parseName(text, at, weekdays, (index) => { fields.weekday = index })
    case 'z': case 'Z': case 'X': return parseZone(text, at, piece, fields)
    case 'M': return piece.count > 2 ? parseName(text, at, months, (index) => { fields.month = index + 1 }) : parseNumber(text, at, piece, options)
    default: return parseNumber(text, at, piece, options)
  }
}

function parseName(text: string, at: number, names: readonly string[], use: (index: number) => void): number | undefined {
  const rest = text.slice(at).toLowerCase()
  for (const length of [undefined, 3]) {
    const index = names.findIndex((name) => rest.startsWith(name.slice(0, length).toLowerCase()))
    if (index === -1) continue
    use(index)
    return at + names[index]!.slice(0, length).length
  }
  return undefined
}

const maxDigits = 18

function parseNumber(text: string, at: number, { letter, count }: Piece, { fields, isAbutting, pivotYear }: ParseOptions): number | undefined {
  const match = /^-?\d+/.exec(text.slice(at, at + (isAbutting ? count : maxDigits + 1)))
  if (match === null) return undefined
  const value = Number(match[0])
  const isShortYear = (letter === 'y' || letter === 'Y') && count <= 2 && /^\d\d$/.test(match[0])
  setNumber(fields, letter, isShortYear ? pivotYear + ((((value - pivotYear) % 100) + 100) % 100) : value)
  return at + match[0].length
}

function setNumber(fields: DateFields, letter: string, value: number): void {
  switch (letter) {
    case 'y': fields.year = value; break
    case 'Y': fields.weekYear = value; break
    case 'M': fields.month = value; break
    case 'w': fields.week = value; break
    case 'D': fields.dayOfYear = value; break
    case 'd': fields.day = value; break
    case 'u': fields.weekday = value % 7; break
    case 'H': fields.hour = value; break
    case 'k': fields.hour = value === 24 ? 0 : value; break
    case 'K': fields.hour12 = value; break
    case 'h': fields.hour12 = value === 12 ? 0 : value; break
    case 'm': fields.minute = value; break
    case 's': fields.second = value; break
    case 'S': fields.millisecond = value; break
    default: break
  }
}

function parseZone(text: string, at: number, { letter, count }: Piece, fields: DateFields): number | undefined {
  const rest = text.slice(at)
  const offset = /^(?:GMT)?([+-])(\d{1,2}):?(\d{2})?/.exec(rest)
  if (offset !== null && (letter !== 'X' || count > 1 || offset[3] === undefined || offset[0].length >= 3)) {
    const minutes = Number(offset[2]) * 60 + Number(offset[3] ?? 0)
    // an offset counts for this date only; a name stays, and later dates are written in its zone
    fields.zone = { offsetMs: (offset[1] === '-' ? -minutes : minutes) * minuteMs, name: '' }
    return at + offset[0].length
  }
  const name = /^[A-Za-z]+/.exec(rest)?.[0].toUpperCase()
  if (name === undefined || !Object.hasOwn(zoneMinutes, name) || (letter === 'X' && name !== 'Z')) return undefined
  fields.zone = { offsetMs: zoneMinutes[name]! * minuteMs, name: name === 'Z' ? 'UTC' : name }
  return at + name.length
}
