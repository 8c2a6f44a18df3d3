/** How Java writes values as text: what upstream's StringConverter puts on the wire. */
import { civilOf } from './java-calendar.ts'
import { Decimal, Struct } from './schema.ts'
import type { Schema } from './schema.ts'

/** As `Double.toString`: `1.0`, `1.0E10`, `1.0E-5`. */
export function javaDouble(value: number): string {
  return javaFloating(value, String(Math.abs(value)))
}

/** As `Float.toString`: the shortest text that reads back as the same 32-bit number. */
export function javaFloat(value: number): string {
  const single = Math.fround(value)
  let digits = 1
  while (digits < 9 && Math.fround(Number(single.toPrecision(digits))) !== single) digits++
  return javaFloating(single, Number.isFinite(single) ? String(Math.abs(Number(single.toPrecision(digits)))) : '')
}

function javaFloating(value: number, shortest: string): string {
  if (!Number.isFinite(value)) return String(value)
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  if (value === 0) return `${sign}0.0`
  const [, whole, fraction = '', power = '0'] = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(shortest)!
  const digits = (whole! + fraction).replace(/^0+/, '').replace(/0+$/, '')
  const leading = (whole! + fraction).length - (whole! + fraction).replace(/^0+/, '').length
  const exponent = whole!.length - 1 - leading + Number(power)
  if (exponent < -3 || exponent >= 7) return `${sign}${digits[0]}.${digits.slice(1) || '0'}E${exponent}`
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  return `${sign}${digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')}.${digits.slice(exponent + 1) || '0'}`
}

/** As `toString()` of the Java object that the value is there. A number without schema is an int64 when it is whole, a float64 otherwise. */
export function javaText(schema: Schema | null | undefined, value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'number') return javaNumber(schema, value)
  if (typeof value !== 'object') return String(value as string | boolean | bigint)
  if (value instanceof Decimal) return value.toString()
  if (value instanceof Date) return javaDate(value)
  if (value instanceof Uint8Array) return `[B@${value.length.toString(16)}`
  if (Array.isArray(value)) return `[${value.map((each) => javaText(schema?.valueSchema, each)).join(', ')}]`
  if (value instanceof Struct) return javaStruct(value)
  const pairs = value instanceof Map ? [...value] : Object.entries(value)
  return `{${pairs.map(([key, each]) => `${javaText(schema?.keySchema, key)}=${javaText(schema?.valueSchema, each)}`).join(', ')}}`
}

function javaNumber(schema: Schema | null | undefined, value: number): string {
  if (schema?.type === 'float32') return javaFloat(value)
  return schema?.type === 'float64' || !Number.isInteger(value) ? javaDouble(value) : String(value)
}

function javaStruct(struct: Struct): string {
  const members = struct.schema.fields!.flatMap(({ name, schema }) => {
    const value = struct.getWithoutDefault(name)
    return value === null ? [] : [`${name}=${javaText(schema, value)}`]
  })
  return `Struct{${members.join(',')}}`
}

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const two = (part: number) => String(part).padStart(2, '0')

function javaDate(date: Date): string {
  const { year, month, day } = civilOf(date)
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`
  return `${days[date.getUTCDay()]} ${months[month - 1]} ${two(day)} ${time} UTC ${year > 0 ? year : 1 - year}`
}
