/** The bytes of Kafka Streams that stand in topics too, held against the codecs of src/streams in both directions. */
import { bigintSerde, booleanSerde, doubleSerde, floatSerde, integerSerde, listSerde, longSerde, shortSerde, stringSerde, uuidSerde, voidSerde } from '../../src/core/index.ts'
import type { Header, Serde } from '../../src/core/index.ts'
import { isStreamError } from '../../src/core/errors.ts'
import { partitionForKey } from '../../src/core/partitioner.ts'
import { changeSerde } from '../../src/streams/change-serde.ts'
import { subscriptionAnswerSerde, subscriptionInstructions, subscriptionKey, subscriptionSerde } from '../../src/streams/foreign-key-serde.ts'
import { murmur3 } from '../../src/streams/murmur3.ts'
import { decodeMetadata, encodeMetadata } from '../../src/streams/runtime/offset-metadata.ts'
import { decodeBuffered, encodeBuffered } from '../../src/streams/state/buffered-row.ts'
import { bufferKey } from '../../src/streams/state/join-buffer.ts'
import { MemoryByteStore } from '../../src/streams/state/memory-byte-store.ts'
import { OuterJoinStore } from '../../src/streams/state/outer-join-store.ts'
import { headersFromBytes, headersToBytes, valueAndHeadersSerde, valueTimestampAndHeadersSerde } from '../../src/streams/state/row-with-headers.ts'
import { sessionsOfKey, sessionsOfKeys, windowsOfKey, windowsOfKeys } from '../../src/streams/state/store-key-ranges.ts'
import type { KeyRange } from '../../src/streams/state/store-key-ranges.ts'
import { orderMarks, sessionEndOf, sessionKey, sessionKeys, sessionStartOf, windowKey, windowKeys, windowSequenceOf, windowStartOf } from '../../src/streams/state/store-keys.ts'
import type { TimedKeys } from '../../src/streams/state/store-keys.ts'
import { valueAndTimestampSerde } from '../../src/streams/state/value-and-timestamp.ts'
import { sessionWindowedSerde, timeWindowedSerde } from '../../src/streams/windowed-serde.ts'
import { Difference, Pending, eachCase, expectEqual } from './core-values.ts'
import type { NamedCase } from './core-values.ts'

interface FormatCase {
  readonly kind: string
  readonly name?: string
  readonly json: never
  readonly hex: string | null
  readonly [member: string]: unknown
}

interface WindowJson { readonly key: string; readonly start: number | string; readonly end: number | string; readonly seqnum: number }
interface ContextJson { readonly timestamp: number; readonly offset: number; readonly partition: number; readonly topic: string; readonly headers: string }
type HeadersOf = (name: string) => readonly Header[]
type Check = (recorded: FormatCase, headersOf: HeadersOf) => void

interface RunnableCase extends NamedCase {
  readonly check: () => void
}

export const runStreamsFormats = eachCase<RunnableCase>((recorded) => recorded.check(), (content) => {
  const { cases } = content as { readonly cases: readonly FormatCase[] }
  const headersOf: HeadersOf = (name) => {
    const found = cases.find((recorded) => recorded.kind === 'headers' && recorded.name === name)
    const headers = (found?.json ?? []) as readonly { readonly key: string; readonly value: string | null }[]
    return headers.map(({ key, value }) => ({ key, value: value === null ? null : new Uint8Array(Buffer.from(value, 'base64')) }))
  }
  return cases.map((recorded, index) => ({ name: `${recorded.kind} ${index}`, check: () => checkFormat(recorded, headersOf) }))
})

function checkFormat(recorded: FormatCase, headersOf: HeadersOf): void {
  const check = checks[recorded.kind]
  if (check === undefined) throw new Difference(`no codec is known for ${recorded.kind}`)
  check(recorded, headersOf)
}

const checks: Readonly<Record<string, Check>> = {
  'time-windowed-key': ({ json, hex }) => {
    const { key, start, end } = windowed(json)
    const serde = end === Infinity ? timeWindowedSerde(stringSerde) : timeWindowedSerde(stringSerde, end - start)
    expectBoth(serde, { key, start, end }, hex)
  },
  'time-windowed-base-key': ({ json, hex }) => {
    const { key, start } = windowed(json)
    expectHex(windowKeys.baseOf(windowKey(stringSerde.serialize(key), start)), hex)
  },
  'session-windowed-key': ({ json, hex }) => {
    const session = windowed(json)
    const serde = sessionWindowedSerde(stringSerde)
    expectHex(serde.serialize(session), hex)
    const read = serde.deserialize(bytesOf(hex))
    expectEqual('read', [read.key, read.start], [session.key, session.start])
    expectEqual('end', read.end, session.end === Infinity ? 2 ** 63 : session.end)
    expectHex(serde.serialize(read), hex)
  },
  'session-windowed-base-key': ({ json, hex }) => {
    const { key, start } = windowed(json)
    expectHex(sessionKeys.baseOf(sessionKey(stringSerde.serialize(key), start, start)), hex)
  },
  'window-store-key': ({ json, hex }) => {
    const { key, start } = windowed(json)
    const { seqnum } = json as WindowJson
    expectHex(windowKey(stringSerde.serialize(key), start, seqnum), hex)
    const bytes = bytesOf(hex)
    const read = [stringSerde.deserialize(windowKeys.baseOf(bytes)), windowStartOf(bytes), windowSequenceOf(bytes)]
    expectEqual('read', read, [key, start, seqnum])
  },
  'window-store-key-time-first': ({ json, hex }) => {
    const { key, start } = windowed(json)
    const { seqnum } = json as WindowJson
    expectHex(bufferKey(stringSerde.serialize(key), start, seqnum), hex)
    expectOrdered(windowKeys, windowKey(stringSerde.serialize(key), start, seqnum), hex)
  },
  'window-store-key-key-first-index': ({ json, hex }) => {
    const { key, start } = windowed(json)
    expectHex(Uint8Array.of(orderMarks.byKey, ...windowKey(stringSerde.serialize(key), start, (json as WindowJson).seqnum)), hex)
  },
  'session-store-key-time-first': ({ json, hex }) => {
    const { key, start, end } = windowed(json)
    expectOrdered(sessionKeys, sessionKey(stringSerde.serialize(key), start, end), hex)
  },
  'window-key-range': (recorded) => {
    const { key, time } = rangeOf(recorded)
    expectRange(windowsOfKeys(key, key, time), recorded['lower'], recorded['upper'])
    expectRange(windowsOfKey(key, time, time), recorded['lowerFixed'], recorded['upperFixed'])
  },
  'session-key-range': (recorded) => {
    const { key, time } = rangeOf(recorded)
    expectRange(sessionsOfKeys(key, key, time), recorded['lower'], recorded['upper'])
    expectRange(sessionsOfKey(key, time, time), recorded['lowerFixed'], recorded['upperFixed'])
  },
  'session-store-key': ({ json, hex }) => {
    const { key, start, end } = windowed(json)
    expectHex(sessionKey(stringSerde.serialize(key), start, end), hex)
    const bytes = bytesOf(hex)
    expectEqual('read', [stringSerde.deserialize(sessionKeys.baseOf(bytes)), sessionStartOf(bytes), sessionEndOf(bytes)], [key, start, Math.min(end, largestTime)])
  },
  'windowed-partition': ({ json, time, session }) => {
    const { key } = json as WindowJson
    expectPartitions(timeWindowedSerde(stringSerde).inner.serialize(key), time as Record<string, number>)
    expectPartitions(sessionWindowedSerde(stringSerde).inner.serialize(key), session as Record<string, number>)
  },
  'value-and-timestamp': ({ json, hex }) => {
    const row = json as { value: string; timestamp: number | string }
    expectBoth(valueAndTimestampSerde(stringSerde), { value: row.value, timestamp: timeOf(row.timestamp) }, hex)
  },
  'value-timestamp-headers': ({ json, hex }, headersOf) => {
    const row = json as { value: string; timestamp: number | string; headers: string }
    expectBoth(valueTimestampAndHeadersSerde(stringSerde), { value: row.value, timestamp: timeOf(row.timestamp), headers: headersOf(row.headers) }, hex)
  },
  'aggregation-headers': ({ json, hex }, headersOf) => {
    const row = json as { value: string; headers: string }
    expectBoth(valueAndHeadersSerde(stringSerde), { value: row.value, headers: headersOf(row.headers) }, hex)
  },
  'headers': ({ name, hex }, headersOf) => {
    expectHex(headersToBytes(headersOf(name!)), hex)
    expectEqual('read', headersFromBytes(bytesOf(hex)), headersOf(name!))
  },
  // A value that is not there has no row: there is nothing to encode.
  'value-and-timestamp-null': ({ hex }) => expectEqual('bytes of no value', null, hex),
  'join-side-key': ({ json, hex }) => {
    const { key, timestamp, side } = json as { key: string; timestamp: number; side: 'left' | 'right' }
    expectHex(parked(key, timestamp, side, 'v').key, hex)
  },
  'left-or-right-value': ({ json, hex }) => {
    const { value, side } = json as { value: string; side: 'left' | 'right' }
    const row = parked('k', 1, side, value).value
    expectHex(row.subarray(9), hex)
  },
  'serde-string': ({ json, hex }) => expectBoth(stringSerde, (json as { value: string }).value, hex),
  'serde-string-unpaired-surrogate': ({ json, hex }) => {
    const { utf16 } = json as { utf16: string }
    expectHex(stringSerde.serialize(Buffer.from(utf16, 'hex').swap16().toString('utf16le')), hex)
  },
  'serde-int32': ({ json, hex }) => expectBoth(integerSerde, (json as { value: number }).value, hex),
  'serde-int64': ({ json, hex }) => {
    const { value } = json as { value: number | string }
    expectBoth(bigintSerde, BigInt(value), hex)
    if (Number.isSafeInteger(Number(value))) expectBoth(longSerde, Number(value), hex)
  },
  'serde-int16': ({ json, hex }) => expectBoth(shortSerde, (json as { value: number }).value, hex),
  'serde-float32': ({ json, hex }) => expectBoth(floatSerde, Number((json as { value: number | string }).value), hex),
  'serde-float64': ({ json, hex }) => expectBoth(doubleSerde, Number((json as { value: number | string }).value), hex),
  'serde-uuid': ({ json, hex }) => expectBoth(uuidSerde, (json as { value: string }).value, hex),
  'serde-bool': ({ json, hex }) => expectBoth(booleanSerde, (json as { value: boolean }).value, hex),
  'list-string': ({ json, hex }) => expectBoth(listSerde(stringSerde), listOf(json, String), hex),
  'list-int32': ({ json, hex }) => expectBoth(listSerde(integerSerde), listOf(json, Number), hex),
  'list-int64': ({ json, hex }) => expectBoth(listSerde(bigintSerde), listOf(json, BigInt), hex),
  'list-uuid': ({ json, hex }) => expectBoth(listSerde(uuidSerde), listOf(json, String), hex),
  // Null is never a serde's: a record without a value has no bytes.
  'list-null': ({ hex }) => expectEqual('bytes of no list', null, hex),
  'deserialize-error': ({ serde, hex }) => {
    const ours = refusing[serde as string]
    if (ours === undefined) throw new Difference(`there is no serde of ${String(serde)}`)
    expectEqual('refused', isRefused(ours, bytesOf(hex)), true)
  },
  'committed-metadata': ({ json, text }) => {
    const { partitionTime, processorMetadata } = json as { partitionTime: number; processorMetadata: Record<string, number> }
    const metadata = { partitionTime, operators: new Map(Object.entries(processorMetadata)) }
    expectEqual('text', encodeMetadata(metadata), text)
    expectEqual('read', [...decodeMetadata(text as string).operators], Object.entries(processorMetadata))
    expectEqual('partition time', decodeMetadata(text as string).partitionTime, partitionTime)
  },
  'table-change': ({ json, hex }) => {
    const change = json as { newValue: string | null; oldValue: string | null; isLatest: boolean }
    expectHex(changeSerde(stringSerde).serialize(change), hex)
    const { newValue, oldValue } = changeSerde(stringSerde).deserialize(bytesOf(hex))
    expectEqual('read', [newValue, oldValue], [change.newValue, change.oldValue])
  },
  'foreign-combined-key': ({ json, hex }) => {
    const { foreignKey, primaryKey } = json as { foreignKey: string; primaryKey: string }
    expectHex(subscriptionKey(stringSerde.serialize(foreignKey), stringSerde.serialize(primaryKey)), hex)
  },
  'foreign-subscription': ({ json, hex }) => {
    const recorded = json as { hash: readonly (number | string)[] | null; instructionByte: number; primaryKey: string; primaryPartition: number | null }
    const instruction = subscriptionInstructions[recorded.instructionByte]!
    const subscription = { hash: hashFrom(recorded.hash), instruction, primaryKey: recorded.primaryKey, primaryPartition: recorded.primaryPartition }
    expectRewritten(subscriptionSerde(stringSerde), subscription, hex)
  },
  'foreign-response': ({ json, hex }) => {
    const { hash, foreignValue } = json as { hash: readonly (number | string)[] | null; foreignValue: string | null }
    const serde = subscriptionAnswerSerde(stringSerde)
    const answer = { hash: hashFrom(hash), rightValue: foreignValue, primaryPartition: null }
    if (foreignValue !== '') {
      expectRewritten(serde, answer, hex)
      return
    }
    // Kafka Streams loses a value without bytes: in its bytes there is none. Ours have it, under another version.
    expectRewritten(serde, { ...answer, rightValue: null }, hex)
    expectEqual('read from ours', serde.deserialize(serde.serialize(answer)), answer)
  },
  'murmur3-128': ({ json, hash }) => {
    const { bytes } = json as { bytes: string }
    expectHex(murmur3(Buffer.from(bytes, 'base64')), Buffer.from(hashFrom(hash as readonly string[])!).toString('hex'))
  },
  'suppress-buffer-value': ({ json, hex }, headersOf) => {
    const recorded = json as { prior: string | null; old: string | null; new: string | null; context: ContextJson }
    const values = { priorValue: utf8(recorded.prior), oldValue: utf8(recorded.old), newValue: utf8(recorded.new) }
    expectHex(encodeBuffered({ ...recorded.context, headers: headersOf(recorded.context.headers), ...values }, 0), hex)
    const { row, time } = decodeBuffered(bytesOf(hex))
    expectEqual('values read', [row.priorValue, row.oldValue, row.newValue].map((value) => value && stringSerde.deserialize(value)), [recorded.prior, recorded.old, recorded.new])
    expectHex(encodeBuffered(row, time), hex)
  },
  'record-context': ({ json, hex }, headersOf) => {
    const context = json as ContextJson
    const bytes = encodeBuffered({ ...context, headers: headersOf(context.headers), priorValue: null, oldValue: null, newValue: null }, 0)
    // Behind it come three absent values and a time.
    expectHex(bytes.subarray(0, bytes.length - 20), hex)
  },
}

const refusing: Readonly<Record<string, Serde<unknown>>> = {
  int16: shortSerde as Serde<unknown>,
  int32: integerSerde as Serde<unknown>,
  int64: longSerde as Serde<unknown>,
  float32: floatSerde as Serde<unknown>,
  float64: doubleSerde as Serde<unknown>,
  uuid: uuidSerde as Serde<unknown>,
  bool: booleanSerde as Serde<unknown>,
  void: voidSerde as Serde<unknown>,
}

function listOf<T>(json: unknown, element: (value: string | number) => T): readonly (T | null)[] {
  return (json as { readonly list: readonly (string | number | null)[] }).list.map((value) => (value === null ? null : element(value)))
}

/** The largest int64 stands for a window without end. */
function windowed(json: unknown): { readonly key: string; readonly start: number; readonly end: number } {
  const { key, start, end } = json as WindowJson
  return { key, start: Number(start), end: end === '9223372036854775807' ? Infinity : Number(end) }
}

/** A number that holds the time exactly, or 2^63 for the largest int64. */
function timeOf(time: number | string): number {
  const exact = Number(time)
  if (Number.isSafeInteger(exact) || exact === largestTime) return exact
  throw new Pending('times beyond 2^53 that are not the largest')
}

const largestTime = 2 ** 63

/** Rows are found in the recorded order when they have its mark in front, and lead back to the key. */
function expectOrdered(keys: TimedKeys, key: Uint8Array, hex: string | null): void {
  expectHex(Uint8Array.of(orderMarks.byTime, ...keys.byTime(key)), hex)
  expectHex(keys.fromByTime(bytesOf(hex).subarray(1)), Buffer.from(key).toString('hex'))
}

function rangeOf({ json }: FormatCase): { readonly key: Uint8Array; readonly time: number } {
  const { key, time } = json as { readonly key: string; readonly time: number | string }
  return { key: stringSerde.serialize(key), time: timeOf(time) }
}

function expectRange({ first, last }: KeyRange, lower: unknown, upper: unknown): void {
  expectEqual('bounds', [first, last].map((bound) => Buffer.from(bound).toString('hex')), [lower, upper])
}

function bytesOf(hex: string | null): Uint8Array {
  return new Uint8Array(Buffer.from(hex ?? '', 'hex'))
}

function expectHex(actual: Uint8Array, hex: string | null): void {
  expectEqual('bytes', Buffer.from(actual).toString('hex'), hex)
}

function expectBoth<T>(serde: Serde<T>, value: T, hex: string | null): void {
  expectHex(serde.serialize(value), hex)
  const read = serde.deserialize(bytesOf(hex))
  expectEqual('read', read, value)
}

/** Where values hold bytes: what was read must be as it was, and give the same bytes again. */
function expectRewritten<T>(serde: Serde<T>, value: T, hex: string | null): void {
  expectBoth(serde, value, hex)
  expectHex(serde.serialize(serde.deserialize(bytesOf(hex))), hex)
}

function expectPartitions(key: Uint8Array, recorded: Readonly<Record<string, number>>): void {
  for (const [count, partition] of Object.entries(recorded)) expectEqual(`of ${count} partitions`, partitionForKey(key, Number(count)), partition)
}

function isRefused(serde: Serde<unknown>, bytes: Uint8Array): boolean {
  try {
    serde.deserialize(bytes)
    return false
  } catch (error) {
    return isStreamError(error)
  }
}

function parked(key: string, timestamp: number, side: 'left' | 'right', value: string): { readonly key: Uint8Array; readonly value: Uint8Array } {
  const bytes = new MemoryByteStore()
  new OuterJoinStore(bytes, { keySerde: stringSerde as Serde<unknown>, leftSerde: stringSerde as Serde<unknown>, rightSerde: stringSerde as Serde<unknown> }).park(key, timestamp, side, value)
  for (const row of bytes.scan({})) return row
  throw new Difference('the row was not parked')
}

function hashFrom(halves: readonly (number | string)[] | null): Uint8Array | null {
  if (halves === null) return null
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  halves.forEach((half, index) => view.setBigInt64(8 * index, BigInt(half)))
  return bytes
}

function utf8(text: string | null): Uint8Array | null {
  return text === null ? null : stringSerde.serialize(text)
}
