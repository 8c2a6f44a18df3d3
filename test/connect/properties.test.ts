import { describe, expect, it } from 'vitest'
import { parseProperties } from '../../src/connect/properties.ts'

describe('parseProperties', () => {
  it.each([
    ['a=b', { a: 'b' }],
    ['  a  =  b c  ', { a: 'b c  ' }],
    ['a:b=c', { a: 'b=c' }],
    ['a b', { a: 'b' }],
    ['a', { a: '' }],
    ['# x=1\n! y=2\n\na=1', { a: '1' }],
    ['a=1,\\\n   2', { a: '1,2' }],
    ['a=back\\\\', { a: 'back\\' }],
    ['a\\:b\\ c=d', { 'a:b c': 'd' }],
    ['a=\\u00e9\\t\\q', { a: 'é\tq' }],
    ['a=1\r\nb=2\ra=3', { a: '3', b: '2' }],
  ])('reads %j as Java does', (text, expected) => {
    expect(parseProperties(text)).toEqual(expected)
  })
})
