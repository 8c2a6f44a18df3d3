import { describe, expect, it } from 'vitest'
import { ByteRows } from '../../../src/streams/state/byte-rows.ts'
import { OrderedRows } from '../../../src/streams/state/ordered-rows.ts'

describe('OrderedRows', () => {
  it('goes on after the last key when rows come and go under a scan, in both directions', () => {
    const rows = new ByteRows()
    const order = new OrderedRows(rows, [])
    const add = (index: number) => {
      rows.find(key(index))
      order.add(rows.add(key(index), null))
    }
    const remove = (index: number) => {
      const row = rows.find(key(index))
      order.delete(row)
      rows.remove(row)
    }
    for (let index = 0; index < 1_000; index += 2) add(index)
    const up: number[] = []
    for (const row of order.ascending(key(100), key(900))) {
      const index = indexOf(rows.key(row))
      up.push(index)
      remove(index)
      if (index % 4 === 0) add(index + 1)
    }
    expect(up.slice(0, 4)).toEqual([100, 101, 102, 104])
    expect(up.at(-1)).toBe(898)
    const down = [...order.descending(key(98), key(904))].map((row) => indexOf(rows.key(row)))
    expect(down).toEqual([902, 900, 98])
  })

  it('sorts what was in the table before it', () => {
    const rows = new ByteRows()
    const members = [5, 3, 900, 1, 4].map((index) => {
      rows.find(key(index))
      return rows.add(key(index), null)
    })
    expect([...new OrderedRows(rows, members).ascending(key(3), undefined)].map((row) => indexOf(rows.key(row)))).toEqual([3, 4, 5, 900])
  })
})

function key(index: number): Uint8Array {
  return new Uint8Array([index >> 8, index & 255])
}

function indexOf(bytes: Uint8Array): number {
  return bytes[0]! * 256 + bytes[1]!
}
