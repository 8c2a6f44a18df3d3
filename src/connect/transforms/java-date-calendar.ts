/** Fields to instants, as Java's lenient calendar with weeks as in the United States: they begin on Sunday, and the first one has January 1. */
import { civilOf, dayOfCivil } from '../java-calendar.ts'
import type { DateFields } from './java-date-fields.ts'

const dayMs = 86_400_000

export function dateFromFields(fields: DateFields, zoneOffsetMs: number): number {
  return dayFromFields(fields) + timeFromFields(fields) - (fields.zone?.offsetMs ?? zoneOffsetMs)
}

function dayFromFields({ era, year = 1970, month, day, dayOfYear, weekYear, week, weekday }: DateFields): number {
  if (weekYear !== undefined || (week !== undefined && day === undefined && month === undefined)) return dayOfWeek(weekYear ?? year, week ?? 1, weekday ?? 0)
  const actual = era === 'BC' ? 1 - year : year
  if (dayOfYear !== undefined && day === undefined) return startOfYear(actual) + (dayOfYear - 1) * dayMs
  return dayOfCivil(actual, month ?? 1, day ?? 1) * dayMs
}

function timeFromFields({ hour, hour12, afternoon, minute = 0, second = 0, millisecond = 0 }: DateFields): number {
  const hours = hour12 === undefined ? (hour ?? 0) : hour12 + (afternoon === true ? 12 : 0)
  return ((hours * 60 + minute) * 60 + second) * 1000 + millisecond
}

export function startOfYear(year: number): number {
  return dayOfCivil(year, 1, 1) * dayMs
}

/** The Sunday on or before January 1. */
function startOfFirstWeek(year: number): number {
  const first = startOfYear(year)
  return first - new Date(first).getUTCDay() * dayMs
}

function dayOfWeek(year: number, week: number, weekday: number): number {
  return startOfFirstWeek(year) + ((week - 1) * 7 + weekday) * dayMs
}

/** The week that the day of the date is in, and the year that this week counts to. */
export function weekOf(date: Date): { readonly year: number; readonly week: number } {
  const day = Math.floor(date.getTime() / dayMs) * dayMs
  const own = civilOf(date).year
  const year = day >= startOfFirstWeek(own + 1) ? own + 1 : own
  return { year, week: Math.floor((day - startOfFirstWeek(year)) / (7 * dayMs)) + 1 }
}
