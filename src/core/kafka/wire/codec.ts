/**
 * Kafka's wire messages as data: a message is a struct of fields, and a field knows how to write and read its values.
 * Types follow from the data, so a request with a missing field does not compile.
 *
 * "Flexible" versions (KIP-482) have compact lengths and a section of tagged fields behind every struct; the sections are
 * written empty and skipped when read.
 */
import { StreamError } from '../../errors.ts'

export interface Field<T> {
  write(writer: WireWriter, value: T): void
  read(reader: WireReader): T
}

/** What a field holds. */
export type ValueOf<F> = F extends Field<infer T> ? T : never

/** One request and its response in the one version that is spoken here. */
export interface Api<Request, Response> {
  readonly key: number
  readonly name: string
  readonly version: number
  readonly flexible: boolean
  readonly request: Field<Request>
  readonly response: Field<Response>
}

export function api<Request, Response>(
  key: number,
  name: string,
  version: number,
  shapes: { readonly request: Field<Request>; readonly response: Field<Response>; readonly flexible?: boolean },
): Api<Request, Response> {
  return { key, name, version, flexible: shapes.flexible ?? false, request: shapes.request, response: shapes.response }
}

export function encodeRequest<Request>(message: Pick<Api<Request, unknown>, 'flexible' | 'request'>, request: Request): Buffer {
  const writer = new WireWriter(message.flexible)
  writer.tagSection() // the end of the flexible request header, which the connection writes in its plain form
  message.request.write(writer, request)
  return writer.finish()
}

/** @throws BACKEND_UNAVAILABLE when the bytes are not such a response: whatever answered is not a Kafka broker */
export function decodeResponse<Response>(message: Pick<Api<unknown, Response>, 'flexible' | 'name' | 'response'>, bytes: Buffer): Response {
  const reader = new WireReader(bytes, message.flexible, message.name)
  reader.tagSection()
  return message.response.read(reader)
}

// ---------------------------------------------------------------------------------------------------- writer and reader

export class WireWriter {
  readonly flexible: boolean
  #bytes: Buffer = Buffer.allocUnsafe(512)
  #at = 0

  constructor(flexible: boolean) {
    this.flexible = flexible
  }

  int8(value: number): void {
    this.#at = this.#reserve(1).writeInt8(value, this.#at)
  }

  int16(value: number): void {
    this.#at = this.#reserve(2).writeInt16BE(value, this.#at)
  }

  int32(value: number): void {
    this.#at = this.#reserve(4).writeInt32BE(value, this.#at)
  }

  int64(value: number): void {
    this.#at = this.#reserve(8).writeBigInt64BE(BigInt(value), this.#at)
  }

  unsignedVarint(value: number): void {
    let rest = value
    for (; rest >= 128; rest >>>= 7) this.#at = this.#reserve(1).writeUInt8((rest & 127) | 128, this.#at)
    this.#at = this.#reserve(1).writeUInt8(rest, this.#at)
  }

  /** The length of what follows, -1 for null; `plain` is the width of the length in versions that are not flexible. */
  length(value: number, plain: 'int16' | 'int32'): void {
    if (this.flexible) this.unsignedVarint(value + 1)
    else this[plain](value)
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length).set(bytes, this.#at)
    this.#at += bytes.length
  }

  tagSection(): void {
    if (this.flexible) this.unsignedVarint(0)
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  #reserve(count: number): Buffer {
    if (this.#at + count > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + count + 512))
      this.#bytes.copy(larger, 0, 0, this.#at)
      this.#bytes = larger
    }
    return this.#bytes
  }
}

export class WireReader {
  readonly flexible: boolean
  readonly #bytes: Buffer
  readonly #message: string
  #at = 0

  constructor(bytes: Buffer, flexible: boolean, message: string) {
    this.#bytes = bytes
    this.flexible = flexible
    this.#message = message
  }

  int8(): number {
    return this.#bytes.readInt8(this.#advance(1))
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#advance(2))
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#advance(4))
  }

  int64(): number {
    return Number(this.#bytes.readBigInt64BE(this.#advance(8)))
  }

  unsignedVarint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes.readUInt8(this.#advance(1))
      value |= (byte & 127) << shift
      if (byte < 128) return value >>> 0
    }
    throw this.#malformed()
  }

  /** As `WireWriter.length`; never more than the bytes that are left, because every element takes at least one. */
  length(plain: 'int16' | 'int32'): number {
    const length = this.flexible ? this.unsignedVarint() - 1 : this[plain]()
    if (length < -1 || length > this.#bytes.length - this.#at) throw this.#malformed()
    return length
  }

  /** A view that shares the response's memory. */
  raw(count: number): Buffer {
    const from = this.#advance(count)
    return this.#bytes.subarray(from, from + count)
  }

  tagSection(): void {
    if (!this.flexible) return
    for (let rest = this.unsignedVarint(); rest > 0; rest--) {
      this.unsignedVarint()
      this.#advance(this.unsignedVarint())
    }
  }

  #advance(count: number): number {
    const from = this.#at
    if (from + count > this.#bytes.length) throw this.#malformed()
    this.#at += count
    return from
  }

  #malformed(): StreamError {
    return new StreamError('BACKEND_UNAVAILABLE', `the answer to ${this.#message} breaks off or has an impossible length at byte ${this.#at} of ${this.#bytes.length}: is a Kafka broker listening there?`)
  }
}

// ---------------------------------------------------------------------------------------------------- fields

export const int8: Field<number> = { write: (writer, value) => writer.int8(value), read: (reader) => reader.int8() }
export const int16: Field<number> = { write: (writer, value) => writer.int16(value), read: (reader) => reader.int16() }
export const int32: Field<number> = { write: (writer, value) => writer.int32(value), read: (reader) => reader.int32() }
/** Offsets, ids and timestamps: numbers throughout, exact to 2^53. */
export const int64: Field<number> = { write: (writer, value) => writer.int64(value), read: (reader) => reader.int64() }
export const boolean: Field<boolean> = { write: (writer, value) => writer.int8(value ? 1 : 0), read: (reader) => reader.int8() !== 0 }

export const nullableString: Field<string | null> = {
  write(writer, value) {
    if (value === null) return writer.length(-1, 'int16')
    const bytes = Buffer.from(value, 'utf8')
    writer.length(bytes.length, 'int16')
    writer.raw(bytes)
  },
  read(reader) {
    const length = reader.length('int16')
    return length < 0 ? null : reader.raw(length).toString('utf8')
  },
}

export const string: Field<string> = {
  write: (writer, value) => nullableString.write(writer, value),
  read: (reader) => nullableString.read(reader) ?? '',
}

export const nullableBytes: Field<Uint8Array | null> = {
  write(writer, value) {
    writer.length(value === null ? -1 : value.length, 'int32')
    if (value !== null) writer.raw(value)
  },
  read(reader) {
    const length = reader.length('int32')
    return length < 0 ? null : reader.raw(length)
  },
}

const noBytes = new Uint8Array(0)

export const bytes: Field<Uint8Array> = {
  write: (writer, value) => nullableBytes.write(writer, value),
  read: (reader) => nullableBytes.read(reader) ?? noBytes,
}

export function nullableArray<T>(element: Field<T>): Field<readonly T[] | null> {
  return {
    write(writer, values) {
      writer.length(values === null ? -1 : values.length, 'int32')
      for (const value of values ?? []) element.write(writer, value)
    },
    read(reader) {
      const length = reader.length('int32')
      return length < 0 ? null : Array.from({ length }, () => element.read(reader))
    },
  }
}

export function array<T>(element: Field<T>): Field<readonly T[]> {
  const nullable = nullableArray(element)
  return { write: (writer, values) => nullable.write(writer, values), read: (reader) => nullable.read(reader) ?? [] }
}

type Fields = Readonly<Record<string, Field<unknown>>>

/** Fields in the order in which they are written. */
export function struct<F extends Fields>(fields: F): Field<{ readonly [Name in keyof F]: ValueOf<F[Name]> }> {
  const entries = Object.entries(fields)
  return {
    write(writer, value) {
      for (const [name, field] of entries) field.write(writer, value[name])
      writer.tagSection()
    },
    read(reader) {
      const value: Record<string, unknown> = {}
      for (const [name, field] of entries) value[name] = field.read(reader)
      reader.tagSection()
      return value as { readonly [Name in keyof F]: ValueOf<F[Name]> }
    },
  }
}
