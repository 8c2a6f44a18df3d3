import { expect, it } from 'vitest'
import { textTable } from '../../src/cli/text-table.ts'

it('textTable() makes each column as wide as its widest cell, without blanks at line ends', () => {
  expect(textTable(['A', 'LONG', 'C'], [['wide cell', '1', ''], ['x', '2', 'z']])).toBe('A          LONG  C\nwide cell  1\nx          2     z\n')
})
