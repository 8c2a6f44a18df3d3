/** PostgreSQL's days and times as numbers. What a database can hold goes beyond what a Date can. */
const microsPerDay = 86_400_000_000n
const daysTo1970 = 719_468

/** Of the text of a date; as far as 32 bits go for infinity. */
export function daysOf(text: string): number {
  if (text === 'infinity') return 2_147_483_647
  if (text === '-infinity') return -2_147_483_648
  const [, year = '0', month = '0', day = '0', era] = /^(\d+)-(\d+)-(\d+)( BC)?/.exec(text) ?? []
  return daysFromCivil(era === undefined ? Number(year) : 1 - Number(year), Number(month), Number(day))
}

/** In the Gregorian calendar, counted on in both directions. The year begins in March here, so that the leap day is its last. */
function daysFromCivil(year: number, month: number, day: number): number {
  const shifted = month > 2 ? year : year - 1
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - daysTo1970
}

/** Of the text of a time of the day, to 24:00:00. */
export function timeMicros(text: string): number {
  const [, hours, minutes, seconds, fraction = ''] = /(\d+):(\d\d):(\d\d)(?:\.(\d+))?/.exec(text) ?? []
  return (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)) * 1_000_000 + Number(fraction.padEnd(6, '0').slice(0, 6))
}

/** As Debezium has them. */
const [endOfTime, beginningOfTime] = [9_223_372_036_825_200_000n, -9_223_372_036_832_400_000n]

/** Of the text of a timestamp without time zone, such as `2026-11-21T07:00:00.5`. */
export function timestampMicros(text: string): bigint {
  if (text === 'infinity') return endOfTime
  if (text === '-infinity') return beginningOfTime
  return BigInt(daysOf(`${text.slice(0, text.indexOf('T'))}${text.endsWith(' BC') ? ' BC' : ''}`)) * microsPerDay + BigInt(timeMicros(text.slice(text.indexOf('T') + 1)))
}

/** As Debezium: a month is a twelfth of 365.25 days. */
const microsPerMonth = (365.25 / 12) * 86_400_000_000

/** Of an interval in the form of ISO 8601, such as `P-1Y2M3DT4H5M6.7S`. */
export function intervalMicros(text: string): bigint {
  const [, years = '0', months = '0', weeks = '0', days = '0', hours = '0', minutes = '0', seconds = '0'] =
    /^P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)W)?(?:(-?\d+)D)?(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?[\d.]+)S)?)?$/.exec(text) ?? []
  const [whole = '0', fraction = ''] = seconds.split('.')
  const micros = BigInt(whole) * 1_000_000n + BigInt(`${seconds.startsWith('-') ? '-' : ''}${fraction.padEnd(6, '0').slice(0, 6)}`)
  return BigInt((Number(years) * 12 + Number(months)) * microsPerMonth) + BigInt(Number(weeks) * 7 + Number(days)) * microsPerDay + BigInt(hours) * 3_600_000_000n + BigInt(minutes) * 60_000_000n + micros
}

/** The text of a day, as PostgreSQL reads it. */
export function dayText(days: number): string {
  if (days === 2_147_483_647) return 'infinity'
  if (days === -2_147_483_648) return '-infinity'
  const shifted = days + daysTo1970
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor((dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365)
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
  const year = yearOfEra + era * 400 + (month > 2 ? 0 : 1)
  const two = (number: number) => String(number).padStart(2, '0')
  return `${String(year > 0 ? year : 1 - year).padStart(4, '0')}-${two(month)}-${two(day)}${year > 0 ? '' : ' BC'}`
}

/** The text of a time of the day, as PostgreSQL reads it. */
export function timeText(micros: bigint): string {
  const two = (number: bigint) => String(number).padStart(2, '0')
  const seconds = micros / 1_000_000n
  return `${two(seconds / 3_600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}.${String(micros % 1_000_000n).padStart(6, '0')}`
}

/** The text of a timestamp without time zone, as PostgreSQL reads it. */
export function timestampText(micros: bigint): string {
  if (micros === endOfTime) return 'infinity'
  if (micros === beginningOfTime) return '-infinity'
  const time = ((micros % microsPerDay) + microsPerDay) % microsPerDay
  const day = dayText(Number((micros - time) / microsPerDay))
  return day.endsWith(' BC') ? `${day.slice(0, -3)} ${timeText(time)} BC` : `${day} ${timeText(time)}`
}
