/** As the recordings write values: bytes in base64, an endless window's end as null. */
export function jsonForm(value: unknown): unknown {
  if (value instanceof Uint8Array) return base64(value)
  if (value === Infinity) return null
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, jsonForm(member)]))
}

export function base64(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('base64')
}
