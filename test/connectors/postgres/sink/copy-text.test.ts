import { expect, it } from 'vitest'
import { cellText } from '../../../../connectors/postgres/sink/cell-text.ts'
import type { ColumnKind } from '../../../../connectors/postgres/sink/cell-text.ts'
import { CopyText } from '../../../../connectors/postgres/sink/copy-text.ts'
import type { Column } from '../../../../connectors/postgres/sink/table.ts'

const column = (kind: ColumnKind): Column => ({ name: 'c', type: kind, kind, binary: null, array: { item: 'other', delimiter: ',' }, generated: false, required: false })

/** As PostgreSQL's documentation of COPY has it. */
function escaped(text: string | null): string {
  return text === null ? String.raw`\N` : text.replaceAll('\\', '\\\\').replaceAll('\t', String.raw`\t`).replaceAll('\n', String.raw`\n`).replaceAll('\r', String.raw`\r`)
}

const cells: readonly (readonly [unknown, ColumnKind])[] = [
  ...[0, -0, 7, -7, 10, 99, 100, 12_345, 999_999_999, 1_000_000_000, 2_147_483_647, -2_147_483_648, 2_147_483_648, -2_147_483_649, 1.5, 1e21, 12n, true, null, undefined].map((value) => [value, 'other'] as const),
  ...['', 'plain', 'tab\tand\nnewline\r', String.raw`\N`, '\\.', 'ä 🚲', '\u007f\u0001', 'x'.repeat(64), 'y'.repeat(65), 'long\t'.repeat(20_000), `${'z'.repeat(70)}\n`].map((value) => [value, 'other'] as const),
  ...[0, 1_700_000_000_123, -1, 253_402_300_799_999, 253_402_300_800_000, -62_135_596_800_000, -62_135_596_800_001, 1_700_000_000_123.7].map((value) => [value, 'timestamptz'] as const),
  [{ a: 'b\tc' }, 'json'], [new Date(0), 'date'], [['a', null], 'array'], ['AAE=', 'bytea'],
]

it('writes each value as its text, with what has a meaning in COPY escaped, in whole messages', () => {
  const copy = new CopyText()
  let received = ''
  const receive = () => {
    const message = copy.take()
    expect([message[0], message.readUInt32BE(1)]).toEqual([0x64, message.length - 1])
    received += message.toString('utf8', 5)
  }
  for (let round = 0; round < 5; round++) {
    copy.startRow()
    for (const [value, kind] of cells) copy.addCell(value, column(kind), false)
    copy.endRow()
    if (copy.isFull) receive()
  }
  if (!copy.isEmpty) receive()
  const row = `${cells.map(([value, kind]) => escaped(cellText(value, kind))).join('\t')}\n`
  expect(received === row.repeat(5)).toBe(true)
})

it('refuses a text that PostgreSQL cannot store', () => {
  expect(() => new CopyText().addCell('a\0b', column('other'), false)).toThrow('NUL')
})
