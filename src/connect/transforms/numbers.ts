/** Conversions between numbers as Java makes them. */
import { dataError } from '../errors.ts'
import { Decimal } from '../schema.ts'
import type { SchemaType } from '../schema.ts'

const bits: Partial<Record<SchemaType, number>> = { int8: 8, int16: 16, int32: 32, int64: 64 }

export function integerBits(type: SchemaType): number {
  return bits[type]!
}

const maxScale = 10_000

/** Without what stands after the point. */
export function truncated({ unscaled, scale }: Decimal): bigint {
  if (scale > 0) return scale > maxScale ? 0n : unscaled / 10n ** BigInt(scale)
  if (scale < -maxScale) throw dataError(`a number with an exponent of ${-scale} is too large`)
  return unscaled * 10n ** BigInt(-scale)
}

/** A float to an integer of 32 or 64 bits: NaN is 0, what does not fit is the nearest that does. */
export function saturated(value: number, width: 32 | 64): bigint {
  if (Number.isNaN(value)) return 0n
  const limit = 2n ** BigInt(width - 1)
  if (value >= Number(limit)) return limit - 1n
  return value <= -Number(limit) ? -limit : BigInt(Math.trunc(value))
}
