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

export interface TableColumn {
  readonly name: string
  readonly typeOid: number
  /** Such as a length; -1: none. */
  readonly typeModifier: number
}

export interface RelationColumn extends TableColumn {
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

/** Reads one message. @throws MalformedMessage */
export function decodePgoutput(bytes: Buffer): PgoutputMessage {
  return new PgoutputDecoder().decode(bytes, 0, bytes.length)
}

/** Reads one message after the other, and makes little garbage: the cells of a row are good until the next message is read. */
export class PgoutputDecoder {
  #bytes: Buffer = nothing
  #at = 0
  #end = 0
  readonly #before: number[] = []
  readonly #after: number[] = []

  /** Reads the message that stands from `start` to `end`. Rows refer to its bytes, nothing else does. @throws MalformedMessage */
  decode(bytes: Buffer, start: number, end: number): PgoutputMessage {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
    const tag = this.#character()
    switch (tag) {
      case 'I':
        return { kind: 'insert', relation: this.#int32() >>> 0, after: this.#newTuple() }
      case 'U':
        return { kind: 'update', relation: this.#int32() >>> 0, before: this.#oldTuple(), after: this.#newTuple() }
      case 'D': {
        const relation = this.#int32() >>> 0
        const before = this.#oldTuple()
        if (before === null) throw new MalformedMessage('a delete without the old row')
        return { kind: 'delete', relation, before }
      }
      case 'B':
        return { kind: 'begin', finalLsn: this.#int64(), commitMs: this.#timestampMs(), xid: this.#int32() >>> 0 }
      case 'C':
        this.#take(9) // flags and the position of the commit record
        return { kind: 'commit', endLsn: this.#int64() }
      case 'R':
        return this.#relation()
      case 'T': {
        const count = this.#count(this.#int32(), 4)
        this.#take(1) // cascade, restart identity
        return { kind: 'truncate', relations: Array.from({ length: count }, () => this.#int32() >>> 0) }
      }
      case 'M':
        return { kind: 'message', transactional: (this.#int8() & 1) === 1, lsn: this.#int64(), prefix: this.#name(), content: this.#content() }
      case 'Y':
      case 'O':
        return { kind: 'other' }
      default:
        throw new MalformedMessage(`a message of unknown type ${JSON.stringify(tag)}`)
    }
  }

  #relation(): Relation {
    const oid = this.#int32() >>> 0
    const schema = this.#name()
    const table = this.#name()
    const replicaIdentity = this.#character()
    const count = this.#count(this.#int16(), 10)
    const columns = Array.from({ length: count }, (): RelationColumn => {
      const inIdentity = (this.#int8() & 1) === 1
      const name = this.#name()
      const typeOid = this.#int32() >>> 0
      return { name, typeOid, typeModifier: this.#int32(), inIdentity }
    })
    return { kind: 'relation', oid, schema, table, replicaIdentity, columns }
  }

  #newTuple(): Tuple {
    const tag = this.#character()
    if (tag !== 'N') throw new MalformedMessage(`${JSON.stringify(tag)} where N belongs`)
    return this.#tuple(this.#after)
  }

  #oldTuple(): OldTuple | null {
    const tag = this.#at < this.#end ? this.#bytes[this.#at] : undefined
    if (tag !== 0x4b /* K */ && tag !== 0x4f /* O */) return null
    this.#at++
    return { keyOnly: tag === 0x4b, row: this.#tuple(this.#before) }
  }

  #tuple(cells: number[]): Tuple {
    const length = 2 * this.#count(this.#int16(), 1)
    if (cells.length > length) cells.length = length
    for (let cell = 0; cell < length; cell += 2) this.#cell(cells, cell)
    return { bytes: this.#bytes, cells }
  }

  #cell(cells: number[], cell: number): void {
    const kind = this.#bytes[this.#take(1)]
    if (kind === 0x74 /* t */) {
      const length = this.#int32()
      const start = this.#take(length)
      cells[cell] = start
      cells[cell + 1] = start + length
    } else if (kind === 0x6e /* n */ || kind === 0x75 /* u */) cells[cell] = cells[cell + 1] = kind === 0x6e ? nullCell : unchangedCell
    else throw new MalformedMessage(`a column of kind ${JSON.stringify(String.fromCharCode(kind!))}`)
  }

  #int8(): number {
    return this.#bytes.readInt8(this.#take(1))
  }

  #int16(): number {
    return this.#bytes.readInt16BE(this.#take(2))
  }

  #int32(): number {
    return this.#bytes.readInt32BE(this.#take(4))
  }

  #int64(): bigint {
    return this.#bytes.readBigUInt64BE(this.#take(8))
  }

  #timestampMs(): number {
    return Number(BigInt.asIntN(64, this.#int64()) / 1000n + epochMs)
  }

  #character(): string {
    return String.fromCharCode(this.#bytes[this.#take(1)]!)
  }

  #name(): string {
    const end = this.#bytes.indexOf(0, this.#at)
    if (end < 0 || end >= this.#end) throw new MalformedMessage('a name without end')
    const text = this.#bytes.toString('utf8', this.#at, end)
    this.#at = end + 1
    return text
  }

  #content(): Buffer {
    const length = this.#int32()
    const start = this.#take(length)
    return Buffer.from(this.#bytes.subarray(start, start + length))
  }

  /** A count of things that take at least `size` bytes each. */
  #count(count: number, size: number): number {
    if (count < 0 || count * size > this.#end - this.#at + 1) throw new MalformedMessage(`${count} items in ${this.#end - this.#at} bytes`)
    return count
  }

  #take(length: number): number {
    const start = this.#at
    if (length < 0 || start + length > this.#end) throw new MalformedMessage(`${length} bytes wanted at ${start} of ${this.#end}`)
    this.#at = start + length
    return start
  }
}

const nothing = Buffer.alloc(0)
