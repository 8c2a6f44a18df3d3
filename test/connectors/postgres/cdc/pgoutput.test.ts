import { describe, expect, it } from 'vitest'
import { randomInteger, seededRandom } from '../../../../src/core/random.ts'
import { decodePgoutput, MalformedMessage, nullCell, unchangedCell } from '../../../../connectors/postgres/cdc/pgoutput.ts'
import type { Tuple } from '../../../../connectors/postgres/cdc/pgoutput.ts'

/** Writes a message as the server would. */
class Output {
  readonly #parts: Buffer[] = []
  static of(tag: string): Output {
    return new Output().text(tag)
  }
  text(text: string): this {
    return this.raw(Buffer.from(text))
  }
  name(text: string): this {
    return this.text(text).raw(Buffer.of(0))
  }
  raw(bytes: Buffer): this {
    this.#parts.push(bytes)
    return this
  }
  int8(value: number): this {
    return this.raw(Buffer.of(value))
  }
  int16(value: number): this {
    const bytes = Buffer.alloc(2)
    bytes.writeInt16BE(value)
    return this.raw(bytes)
  }
  int32(value: number): this {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(value)
    return this.raw(bytes)
  }
  int64(value: bigint): this {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64BE(value)
    return this.raw(bytes)
  }
  cell(text: string): this {
    return this.text('t').int32(Buffer.byteLength(text)).text(text)
  }
  get bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

describe('decodePgoutput', () => {
  it('reads the bounds of a transaction', () => {
    expect(decodePgoutput(Output.of('B').int64(0x1_0000_0010n).int64(86_400_000_000n).int32(7).bytes)).toEqual({ kind: 'begin', finalLsn: 0x1_0000_0010n, commitMs: Date.UTC(2000, 0, 2), xid: 7 })
    expect(decodePgoutput(Output.of('C').int8(0).int64(1n).int64(2n).int64(0n).bytes)).toEqual({ kind: 'commit', endLsn: 2n })
  })

  it('reads what a table looks like', () => {
    const bytes = Output.of('R').int32(16400).name('public').name('tüb').text('d').int16(2).int8(1).name('id').int32(23).int32(-1).int8(0).name('v').int32(25).int32(-1).bytes
    expect(decodePgoutput(bytes)).toEqual({
      kind: 'relation', oid: 16400, schema: 'public', table: 'tüb', replicaIdentity: 'd',
      columns: [{ name: 'id', typeOid: 23, typeModifier: -1, inIdentity: true }, { name: 'v', typeOid: 25, typeModifier: -1, inIdentity: false }],
    })
  })

  it('reads rows with nulls and unchanged values, old keys and old rows', () => {
    const tuple = (output: Output) => output.int16(3).cell('1').text('n').text('u')
    const cells = (row: Tuple) => Array.from({ length: row.cells.length / 2 }, (_, index) => (row.cells[2 * index]! < 0 ? row.cells[2 * index] : row.bytes.toString('utf8', row.cells[2 * index], row.cells[2 * index + 1])))
    const read = (output: Output) => decodePgoutput(output.bytes) as Extract<ReturnType<typeof decodePgoutput>, { kind: 'update' }>
    const inserted = read(tuple(Output.of('I').int32(5).text('N')))
    expect([inserted.kind, inserted.relation, cells(inserted.after)]).toEqual(['insert', 5, ['1', nullCell, unchangedCell]])
    const updated = read(tuple(Output.of('U').int32(5).text('N')))
    expect([updated.kind, updated.relation, updated.before, cells(updated.after)]).toEqual(['update', 5, null, ['1', nullCell, unchangedCell]])
    const rekeyed = read(tuple(Output.of('U').int32(5).text('K').int16(1).cell('0').text('N')))
    expect([rekeyed.before!.keyOnly, cells(rekeyed.before!.row), cells(rekeyed.after)]).toEqual([true, ['0'], ['1', nullCell, unchangedCell]])
    const deleted = read(Output.of('D').int32(5).text('O').int16(1).cell('0'))
    expect([deleted.kind, deleted.before!.keyOnly, cells(deleted.before!.row)]).toEqual(['delete', false, ['0']])
    expect(decodePgoutput(Output.of('T').int32(2).int8(0).int32(5).int32(6).bytes)).toEqual({ kind: 'truncate', relations: [5, 6] })
  })

  it('refuses 100,000 messages of garbage without reading past their end', () => {
    const random = seededRandom(Number(process.env['MILLRACE_SEED'] ?? 9))
    const tuple = (output: Output) => output.int16(3).cell('1').text('n').text('u')
    const sound = [
      Output.of('B').int64(1n).int64(2n).int32(7), Output.of('C').int8(0).int64(1n).int64(2n).int64(0n), tuple(Output.of('I').int32(5).text('N')),
      Output.of('R').int32(5).name('public').name('t').text('d').int16(2).int8(1).name('id').int32(23).int32(-1).int8(0).name('v').int32(25).int32(-1),
      tuple(Output.of('U').int32(5).text('K').int16(1).cell('0').text('N')), Output.of('D').int32(5).text('O').int16(1).cell('0'),
      Output.of('T').int32(2).int8(0).int32(5).int32(6), Output.of('M').int8(1).int64(1n).name('p').int32(2).text('xy'), Output.of('Y').int32(1), Output.of('O').int64(1n),
    ].map(({ bytes }) => bytes)
    let refused = 0
    for (let run = 0; run < 100_000; run++) {
      // half of them all garbage behind the type, half of them sound but for some bytes
      const bytes = Buffer.from(sound[run % sound.length]!).subarray(0, run % 4 === 0 ? randomInteger(random, 60) : undefined)
      const changes = run % 2 === 0 ? bytes.length : 1 + randomInteger(random, 3)
      for (let change = 0; change < changes; change++) bytes[run % 2 === 0 ? 1 + change : randomInteger(random, bytes.length)] = randomInteger(random, 256)
      try {
        decodePgoutput(bytes)
      } catch (error) {
        if (!(error instanceof MalformedMessage)) throw new Error(`run ${run}: ${bytes.toString('hex')}`, { cause: error })
        refused++
      }
    }
    expect(refused).toBeGreaterThan(50_000)
  })
})
