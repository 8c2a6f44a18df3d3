import type { NameOption } from './options.ts'
import type { RecordCallback } from './stream.ts'

export interface PrintOptions<K, V> extends NameOption {
  /** Begins each line. Default: the name of the operator above. */
  readonly label?: string
  /** What stands behind the label. Default: key and value, objects as JSON. */
  readonly format?: (key: K, value: V) => string
  /** Takes a line with its end. Default: standard output. */
  readonly write?: (line: string) => void
}

/** Semantics: Kafka Streams' Printed. */
export function printer<K, V>(parent: string, { label = parent, format = keyAndValue, write = toStandardOutput }: PrintOptions<K, V>): RecordCallback<K, V, void> {
  return (value, key) => write(`[${label}]: ${format(key, value)}\n`)
}

function keyAndValue(key: unknown, value: unknown): string {
  return `${textOf(key)}, ${textOf(value)}`
}

function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  return isWindowed(value) ? `[${textOf(value.key)}@${value.start}/${value.end}]` : JSON.stringify(value)
}

function isWindowed(value: object): value is { readonly key: unknown; readonly start: number; readonly end: number } {
  return 'key' in value && 'start' in value && 'end' in value
}

function toStandardOutput(line: string): void {
  process.stdout.write(line)
}
