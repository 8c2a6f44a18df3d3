import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesOf, isPlainJsonText, textOf, writePlainJsonText, writeText } from '../../src/core/text-bytes.ts'

const text = fc.oneof(fc.string({ maxLength: 80 }), fc.string({ unit: 'binary', maxLength: 80 }), fc.constant('a\ud800b'))

describe('text and bytes', () => {
  it('writes the UTF-8 that Buffer does, with a question mark for half of a surrogate pair, in place and in bytes of its own', () => {
    fc.assert(fc.property(text, fc.nat(300), fc.nat(5), (written, room, at) => {
      const expected = Buffer.from(written.replaceAll(/\p{Surrogate}/gu, '?'))
      expect(Buffer.from(bytesOf(written)).equals(expected)).toBe(true)
      const bytes = new Uint8Array(room)
      const end = writeText(written, bytes, at)
      if (end < 0) expect(at + 3 * written.length).toBeGreaterThan(room)
      else expect(Buffer.from(bytes.subarray(at, end)).equals(expected)).toBe(true)
    }))
  })

  it('reads what it wrote, from the middle of other bytes, and refuses what is not UTF-8', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 80 }), (written) => {
      const bytes = Buffer.concat([Buffer.from([0xff]), bytesOf(written), Buffer.from([0xff])])
      expect(textOf(bytes, 1, bytes.length - 1)).toBe(written)
      expect(() => textOf(bytes, 0, bytes.length)).toThrow(TypeError)
    }))
  })

  it('writes the JSON of a plain text as JSON.stringify does, and leaves every other one', () => {
    let written = 0
    fc.assert(fc.property(fc.oneof(text, fc.string({ maxLength: 20 })), fc.nat(60), fc.nat(5), (given, room, at) => {
      const bytes = new Uint8Array(room)
      const end = writePlainJsonText(given, bytes, at)
      if (end < 0) return
      written++
      expect(Buffer.from(bytes.subarray(at, end)).toString()).toBe(JSON.stringify(given))
    }), { numRuns: 500 })
    expect(written).toBeGreaterThan(20)
  })

  it('knows the JSON of a plain text among other bytes: printable, ASCII, without escapes, from quote to quote', () => {
    const isPlain = (given: string) => JSON.stringify(given) === `"${given}"` && /^[ -\x7f]*$/.test(given)
    const around = fc.constantFrom('"', 'a', '\\', ',')
    fc.assert(fc.property(fc.oneof(text, fc.constantFrom('', 'a', '"', 'a"b', 'a\\', '\u007f', 'é')), around, around, (given, before, after) => {
      const bytes = Buffer.from(`${before}"${given}"${after}`)
      expect(isPlainJsonText(bytes, 1, bytes.length - 1)).toBe(isPlain(given))
      expect(isPlainJsonText(bytes, 1, bytes.length - 2)).toBe(given.endsWith('"') && isPlain(given.slice(0, -1)))
      expect(isPlainJsonText(bytes, 2, bytes.length - 1)).toBe(given.startsWith('"') && isPlain(given.slice(1)))
    }))
    expect(isPlainJsonText(Buffer.from('"'), 0, 1)).toBe(false)
  })
})
