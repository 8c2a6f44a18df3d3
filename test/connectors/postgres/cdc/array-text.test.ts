import { expect, it } from 'vitest'
import { arrayItems } from '../../../../connectors/postgres/cdc/array-text.ts'

it.each([
  ['{}', []],
  ['{1,NULL,"NULL"}', ['1', null, 'NULL']],
  [String.raw`{"a \"q\" \\","x,y",{}`, ['a "q" \\', 'x,y', []]],
  ['[0:1][1:2]={{1,2},{3,4}}', [['1', '2'], ['3', '4']]],
])('reads %s', (text, items) => expect(arrayItems(text, (item) => item)).toEqual(items))
