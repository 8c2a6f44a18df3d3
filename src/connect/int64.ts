/** The one form of an int64: a number where it is exact, a bigint outside. */
export function int64Value(value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}
