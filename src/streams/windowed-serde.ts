import { StreamError, durationMs, jsonSerde, stringSerde, validateWith, zodSerde } from '../core/index.ts'
import type { Duration, Serde, StandardSchema } from '../core/index.ts'
import { copyInto } from './state/bytes.ts'
import type { Windowed } from './windows.ts'

/**
 * Keys of time windows (tumbling, hopping, sliding, unlimited) in Kafka Streams' layout: the inner key's bytes, then the
 * start as 8 bytes. The end is not written: it is `size` after the start when read (Infinity without a size). The inner
 * key alone decides the partition, as `to` finds out by itself.
 */
export function timeWindowedSerde<K>(inner: Serde<K>, size?: Duration): WindowedSerde<K> {
  const sizeMs = size === undefined ? Infinity : durationMs(size, 'timeWindowedSerde: size')
  return {
    inner,
    serialize: ({ key, start }) => withTimes(inner.serialize(key), start),
    deserialize(bytes) {
      const { keyBytes, times } = splitTimes(bytes, 1)
      const start = times[0]!
      return { key: inner.deserialize(keyBytes), start, end: start + sizeMs }
    },
  }
}

/** Keys of session windows in Kafka Streams' layout: the inner key's bytes, then end and start as 8 bytes each. */
export function sessionWindowedSerde<K>(inner: Serde<K>): WindowedSerde<K> {
  return {
    inner,
    serialize: ({ key, start, end }) => withTimes(inner.serialize(key), end, start),
    deserialize(bytes) {
      const { keyBytes, times } = splitTimes(bytes, 2)
      return { key: inner.deserialize(keyBytes), start: times[1]!, end: times[0]! }
    },
  }
}

/**
 * Windowed keys as JSON, `{"key":…,"start":…,"end":…}`, for topics that people or sinks read; the end of an unlimited
 * window is null there. The schema is the inner key's; without one the key is text.
 */
export function jsonWindowedSerde(): WindowedSerde<string>
export function jsonWindowedSerde<K>(key: StandardSchema<K>): WindowedSerde<K>
export function jsonWindowedSerde(key?: StandardSchema): WindowedSerde<unknown> {
  const json = jsonSerde<{ readonly key: unknown; readonly start: number; readonly end: number | null }>()
  const readable = (windowed: Windowed<unknown>) => ({ key: windowed.key, start: windowed.start, end: Number.isFinite(windowed.end) ? windowed.end : null })
  // Most records in a row are of the same window.
  let [start, end, timeBytes] = [NaN, NaN, new Uint8Array(0)]
  return {
    inner: key === undefined ? stringSerde as Serde<unknown> : zodSerde(key),
    serialize: windowed => json.serialize(readable(windowed)),
    serializeInto(windowed, bytes, at) {
      if (windowed.start !== start || windowed.end !== end) {
        timeBytes = new Uint8Array(stringSerde.serialize(timesOf(windowed)));
        ({ start, end } = windowed)
      }
      const keyEnd = writePlain(windowed.key, bytes, at)
      if (keyEnd < 0 || keyEnd + timeBytes.length > bytes.length) return json.serializeInto!(readable(windowed), bytes, at)
      copyInto(bytes, keyEnd, timeBytes, 0, timeBytes.length)
      return keyEnd + timeBytes.length
    },
    deserialize(bytes) {
      const read = json.deserialize(bytes)
      if (typeof read !== 'object' || read === null || !('key' in read) || typeof read.start !== 'number') {
        throw new StreamError('DESERIALIZATION_FAILED', 'a windowed key in JSON is {"key":…,"start":…,"end":…}')
      }
      return { key: key === undefined ? read.key : validateWith(key, read.key), start: read.start, end: read.end ?? Infinity }
    },
  }
}

const keyStart = new Uint8Array(stringSerde.serialize('{"key":"'))

/** `{"key":"…"`, where the key is text that stands in JSON as it is and there is room for it; else -1. */
function writePlain(key: unknown, bytes: Uint8Array, at: number): number {
  if (typeof key !== 'string' || at + keyStart.length + key.length + 1 > bytes.length) return -1
  copyInto(bytes, at, keyStart, 0, keyStart.length)
  let position = at + keyStart.length
  for (let index = 0; index < key.length; index++) {
    const code = key.charCodeAt(index)
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return -1
    bytes[position++] = code
  }
  bytes[position] = 0x22
  return position + 1
}

function timesOf({ start, end }: Windowed<unknown>): string {
  return `,"start":${start},"end":${Number.isFinite(end) ? end : null}}`
}

/** A serde of windowed keys tells the serde of the key inside, by which records are partitioned. */
export interface WindowedSerde<K> extends Serde<Windowed<K>> {
  readonly inner: Serde<K>
}

export function isWindowedSerde(serde: Serde<unknown>): serde is Serde<unknown> & { readonly inner: Serde<unknown> } {
  return 'inner' in serde
}

function withTimes(keyBytes: Uint8Array, ...times: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(keyBytes.byteLength + 8 * times.length)
  bytes.set(keyBytes)
  const view = new DataView(bytes.buffer)
  times.forEach((time, index) => {
    const position = keyBytes.byteLength + 8 * index
    view.setBigInt64(position, time < 2 ** 63 ? BigInt(time) : 0x7fff_ffff_ffff_ffffn)
  })
  return bytes
}

function splitTimes(bytes: Uint8Array, count: number): { readonly keyBytes: Uint8Array; readonly times: readonly number[] } {
  const keyLength = bytes.byteLength - 8 * count
  if (keyLength < 0) throw new StreamError('DESERIALIZATION_FAILED', `a windowed key ends with ${8 * count} bytes of times, but the data has ${bytes.byteLength} in all`)
  const view = new DataView(bytes.buffer, bytes.byteOffset + keyLength, 8 * count)
  const times = Array.from({ length: count }, (_, index) => Number(view.getBigInt64(8 * index)))
  return { keyBytes: bytes.subarray(0, keyLength), times }
}
