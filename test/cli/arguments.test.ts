import { describe, expect, it } from 'vitest'
import { collectPair, duration, positiveNumber, wholeNumber } from '../../src/cli/arguments.ts'

describe('the arguments of options', () => {
  it('collect name=value pairs, in which the value may hold an equals sign', () => {
    expect(collectPair('c=d=e', collectPair('a=b'))).toEqual({ a: 'b', c: 'd=e' })
    expect(() => collectPair('novalue')).toThrow(/name=value/)
    expect(() => collectPair('=x')).toThrow(/name=value/)
  })

  it('are whole numbers where numbers are meant', () => {
    expect(wholeNumber('0')).toBe(0)
    expect(positiveNumber('12')).toBe(12)
    for (const text of ['', '-1', '1.5', '1e3', 'x', '99999999999999999999']) expect(() => wholeNumber(text), text).toThrow(/whole number/)
    expect(() => positiveNumber('0')).toThrow(/1 or more/)
  })

  it('are durations where times are meant', () => {
    expect([duration('100ms'), duration('5m'), duration('250')]).toEqual(['100ms', '5m', 250])
    for (const text of ['', '5 minutes', '-1', 'soon']) expect(() => duration(text), text).toThrow(/duration/)
  })
})
