/**
 * The messages of PostgreSQL's logical decoding plugin `pgoutput`, protocol version 1: "Logical Replication Message Formats" in
 * its documentation. Everything comes from outside: no length is believed before it is checked.
 */
export type PgoutputMessage =
  | { readonly kind: 'begin'; readonly finalLsn: bigint; readonly commitMs: number; readonly xid: number }
  | { readonly kind: 'commit'; readonly endLsn: bigint }
  | Relation
  | { readonly kind: 'insert'; readonly relation: number; readonly after: Tuple }
  | { readonly kind: 'update'; readonly relation: number; readonly before: OldTuple | null; readonly after: Tuple }
  | { readonly kind: 'delete'; readonly relation: number; readonly before: OldTuple }
  | { readonly kind: 'truncate'; readonly relations: readonly number[] }
  | { readonly kind: 'message'; readonly transactional: boolean; readonly lsn: bigint; readonly prefix: string; readonly content: Buffer }
  /** Type, origin: nothing that this reader needs. */
  | { readonly kind: 'other' }

export interface Relation {
  readonly kind: 'relation'
  readonly oid: number
  readonly schema: string
  readonly table: string
  /** d = default, n = nothing, f = full, i = index. */
  readonly replicaIdentity: string
  readonly columns: readonly RelationColumn[]
}

export interface RelationColumn {
  readonly name: string
  readonly typeOid: number
  readonly inIdentity: boolean
}

/** The cells of a row, where they are in the message: nobody may want them. A cell is text as the type's output function writes it. */
export interface Tuple {
  readonly bytes: Buffer
  /** Start and end of each, one behind the other; `nullCell` or `unchangedCell` in place of a start. */
  readonly cells: number[]
}

export const nullCell = -1
/** A large value that the update did not touch and that is not in the log. */
export const unchangedCell = -2

export interface OldTuple {
  /** Only the columns of the replica identity hold values. */
  readonly keyOnly: boolean
  readonly row: Tuple
}

export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage'
}

/** Milliseconds since 1970 at 2000-01-01, where PostgreSQL counts microseconds from. */
const epochMs = 946_684_800_000n

/** Reads the message that stands from `start` to `end`. Rows refer to its bytes, nothing else does. @throws MalformedMessage */
export function decodePgoutput(bytes: Buffer, start = 0, end = bytes.length): PgoutputMessage {
  const input = new Input(bytes, start, end)
  const tag = input.character()
  switch (tag) {
    case 'B':
      return { kind: 'begin', finalLsn: input.int64(), commitMs: input.timestampMs(), xid: input.int32() >>> 0 }
    case 'C':
      input.skip(9) // flags and the position of the commit record
      return { kind: 'commit', endLsn: input.int64() }
    case 'R':
      return relation(input)
    case 'I':
      return { kind: 'insert', relation: input.int32() >>> 0, after: input.expect('N').tuple() }
    case 'U':
      return { kind: 'update', relation: input.int32() >>> 0, before: oldTuple(input), after: input.expect('N').tuple() }
    case 'D': {
      const oid = input.int32() >>> 0
      const before = oldTuple(input)
      if (before === null) throw new MalformedMessage('a delete without the old row')
      return { kind: 'delete', relation: oid, before }
    }
    case 'T': {
      const count = input.count(input.int32(), 4)
      input.skip(1) // cascade, restart identity
      return { kind: 'truncate', relations: Array.from({ length: count }, () => input.int32() >>> 0) }
    }
    case 'M':
      return { kind: 'message', transactional: (input.int8() & 1) === 1, lsn: input.int64(), prefix: input.name(), content: Buffer.from(input.bytes(input.int32())) }
    case 'Y':
    case 'O':
      return { kind: 'other' }
    default:
      throw new MalformedMessage(`a message of unknown type ${JSON.stringify(tag)}`)
  }
}

function relation(input: Input): Relation {
  const oid = input.int32() >>> 0
  const schema = input.name()
  const table = input.name()
  const replicaIdentity = input.character()
  const count = input.count(input.int16(), 10)
  const columns = Array.from({ length: count }, (): RelationColumn => {
    const inIdentity = (input.int8() & 1) === 1
    const name = input.name()
    const typeOid = input.int32() >>> 0
    input.skip(4) // type modifier
    return { name, typeOid, inIdentity }
  })
  return { kind: 'relation', oid, schema, table, replicaIdentity, columns }
}

function oldTuple(input: Input): OldTuple | null {
  const tag = input.peek()
  if (tag !== 'K' && tag !== 'O') return null
  input.skip(1)
  return { keyOnly: tag === 'K', row: input.tuple() }
}

class Input {
  readonly #bytes: Buffer
  readonly #end: number
  #at: number

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  skip(length: number): void {
    this.#take(length)
  }

  int8(): number {
    return this.#bytes.readInt8(this.#take(1))
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2))
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4))
  }

  int64(): bigint {
    return this.#bytes.readBigUInt64BE(this.#take(8))
  }

  timestampMs(): number {
    return Number(BigInt.asIntN(64, this.int64()) / 1000n + epochMs)
  }

  character(): string {
    return String.fromCharCode(this.#bytes[this.#take(1)]!)
  }

  peek(): string {
    return this.#at < this.#end ? String.fromCharCode(this.#bytes[this.#at]!) : ''
  }

  expect(tag: string): this {
    const found = this.character()
    if (found !== tag) throw new MalformedMessage(`${JSON.stringify(found)} where ${tag} belongs`)
    return this
  }

  name(): string {
    const end = this.#bytes.indexOf(0, this.#at)
    if (end < 0 || end >= this.#end) throw new MalformedMessage('a name without end')
    const text = this.#bytes.toString('utf8', this.#at, end)
    this.#at = end + 1
    return text
  }

  bytes(length: number): Buffer {
    const start = this.#take(length)
    return this.#bytes.subarray(start, start + length)
  }

  /** A count of things that take at least `size` bytes each. */
  count(count: number, size: number): number {
    if (count < 0 || count * size > this.#end - this.#at + 1) throw new MalformedMessage(`${count} items in ${this.#end - this.#at} bytes`)
    return count
  }

  tuple(): Tuple {
    const count = this.count(this.int16(), 1)
    const cells: number[] = []
    for (let index = 0; index < count; index++) this.#cell(cells)
    return { bytes: this.#bytes, cells }
  }

  #cell(cells: number[]): void {
    const kind = this.#bytes[this.#take(1)]
    if (kind === 0x74 /* t */) {
      const length = this.int32()
      const start = this.#take(length)
      cells.push(start, start + length)
    } else if (kind === 0x6e /* n */) cells.push(nullCell, nullCell)
    else if (kind === 0x75 /* u */) cells.push(unchangedCell, unchangedCell)
    else throw new MalformedMessage(`a column of kind ${JSON.stringify(String.fromCharCode(kind!))}`)
  }

  #take(length: number): number {
    const start = this.#at
    if (length < 0 || start + length > this.#end) throw new MalformedMessage(`${length} bytes wanted at ${start} of ${this.#end}`)
    this.#at = start + length
    return start
  }
}
