import { expect, it } from 'vitest'
import { areDistinct, reduceRows } from '../../../../connectors/postgres/sink/reduce.ts'
import type { Row } from '../../../../connectors/postgres/sink/row.ts'

const fields = (...values: unknown[]) => ({ names: values.map((_, index) => `c${index}`), values, schemas: null, isDatabaseText: false })
const row = (key: readonly unknown[], value: unknown = 'x') => ({ key: fields(...key), values: value === null ? null : fields(value), truncates: false }) as unknown as Row

it.each([
  [[['1'], [1]], 1], [[['1'], ['01']], 2], [[[1], [1n], ['1']], 1], [[['9007199254740993'], [9_007_199_254_740_992]], 2], [[['1e21'], ['1e+21'], [1e21]], 2], [[['NaN'], [Number.NaN]], 1],
  [[['a', 'b'], ['a', 'b']], 1], [[['a', 1], ['a', '1']], 1], [[['ab', ''], ['a', 'b']], 2], [[[true], ['true']], 1], [[[''], [0]], 2],
])('takes keys for one that the database takes for one: %o', (keys, count) => {
  const rows = keys.map((key) => row(key))
  expect(reduceRows(rows)).toHaveLength(count)
  expect(areDistinct(rows)).toBe(count === keys.length)
})

it('finds something to reduce where a row is deleted', () => {
  expect(areDistinct([row([1]), row([2], null)])).toBe(false)
})
