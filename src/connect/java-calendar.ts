/** The calendar that Java's Date and SimpleDateFormat go by: the Julian one up to 4 October 1582, whose next day is 15 October of the Gregorian one. */

import { dataError } from './errors.ts'

export interface CivilDate {
  /** 0 is 1 BC. */
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  readonly day: number
}

const dayMs = 86_400_000
/** 15 October 1582. */
const firstGregorianDay = -141_427

/** @throws INVALID_DATA for a time that a Date cannot hold */
export function dateAt(ms: number): Date {
  const date = new Date(ms)
  if (Number.isNaN(date.getTime())) throw dataError(`the time ${ms} ms is beyond the year 275760, which a date cannot hold`)
  return date
}

/** Days since 1970-01-01. Months and days may be of any size: what is too much goes into the next unit. A day that was left out counts on in the Julian calendar. */
export function dayOfCivil(year: number, month: number, day: number): number {
  const gregorian = Math.floor(new Date(0).setUTCFullYear(year, month - 1, day) / dayMs)
  return gregorian >= firstGregorianDay || Number.isNaN(gregorian) ? gregorian : dayOfJulian(year, month, day)
}

/** Of a number of days since 1970-01-01. */
export function civilOfDay(epochDay: number): CivilDate {
  if (epochDay < firstGregorianDay) return julianOfDay(epochDay)
  const date = new Date(epochDay * dayMs)
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() }
}

export function civilOf(date: Date): CivilDate {
  return civilOfDay(Math.floor(date.getTime() / dayMs))
}

/** Days from 1 March of the Julian year 0 to 1970-01-01; years begin with March, so that the leap day is their last. */
const julianEpochDay = 719_470
const leapCycleDays = 1461

/** Days from 1 March to the first of a month, March being 0. */
const daysBefore = (monthFromMarch: number) => Math.floor((153 * monthFromMarch + 2) / 5)

function dayOfJulian(year: number, month: number, day: number): number {
  const months = year * 12 + month - 3
  const yearFromMarch = Math.floor(months / 12)
  return 365 * yearFromMarch + Math.floor(yearFromMarch / 4) + daysBefore(months - yearFromMarch * 12) + day - 1 - julianEpochDay
}

function julianOfDay(epochDay: number): CivilDate {
  const days = epochDay + julianEpochDay
  const cycle = Math.floor(days / leapCycleDays)
  const dayOfCycle = days - cycle * leapCycleDays
  const yearOfCycle = Math.min(3, Math.floor(dayOfCycle / 365))
  const dayOfYear = dayOfCycle - yearOfCycle * 365
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153)
  const months = (cycle * 4 + yearOfCycle) * 12 + monthFromMarch + 2
  return { year: Math.floor(months / 12), month: (((months % 12) + 12) % 12) + 1, day: dayOfYear - daysBefore(monthFromMarch) + 1 }
}
