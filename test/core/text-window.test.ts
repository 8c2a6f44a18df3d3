import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TextWindow } from '../../src/core/text-window.ts'

describe('TextWindow', () => {
  it('holds a character for each byte of what it covers, and moves on with the batch', () => {
    const bytes = Uint8Array.from({ length: 20_000 }, (_, index) => 32 + (index % 90))
    const window = new TextWindow(bytes, bytes.length)
    for (let start = 0; start + 100 <= bytes.length; start += 100) {
      expect(window.covers(start, start + 100)).toBe(true)
      expect(Buffer.from(window.text.substring(start - window.from, start + 100 - window.from))).toEqual(Buffer.from(bytes.subarray(start, start + 100)))
    }
    expect(window.text.length).toBeLessThanOrEqual(4_096)
  })

  it('covers nothing that is as long as itself', () => {
    expect(new TextWindow(new Uint8Array(10_000), 10_000).covers(0, 5_000)).toBe(false)
  })

  it('tells ASCII from other bytes wherever they stand', () => {
    const mostlyAscii = fc.array(fc.oneof({ weight: 20, arbitrary: fc.nat(127) }, { weight: 1, arbitrary: fc.nat(255) }), { maxLength: 60 })
    fc.assert(fc.property(mostlyAscii, fc.nat(7), fc.nat(60), fc.nat(60), (values, shift, a, b) => {
      const whole = new Uint8Array(shift + values.length).fill(200, 0, shift)
      whole.set(values, shift)
      const bytes = whole.subarray(shift)
      const [start, end] = [Math.min(a, b, bytes.length), Math.min(Math.max(a, b), bytes.length)]
      expect(new TextWindow(bytes, bytes.length).isAscii(start, end)).toBe(bytes.subarray(start, end).every((byte) => byte < 128))
    }))
  })

  it('has learnt which texts are ASCII from a text with other bytes between them, until it moves on', () => {
    const text = fc.uint8Array({ maxLength: 30, max: 127 })
    const texts = fc.array(fc.record({ before: fc.uint8Array({ maxLength: 4 }), text: fc.oneof({ weight: 20, arbitrary: text }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30 }) }) }), { minLength: 1, maxLength: 20 })
    fc.assert(fc.property(texts, fc.nat(40), (given, from) => {
      const bytes = Buffer.concat([Buffer.alloc(from, 200), ...given.flatMap((each) => [each.before, each.text]), Buffer.alloc(100)])
      const end = bytes.length - 100
      const window = new TextWindow(bytes, bytes.length)
      const expectTexts = () => {
        let at = from
        for (const { before, text: each } of given) {
          at += before.length
          expect(window.isAscii(at, at + each.length)).toBe(each.every((byte) => byte < 128))
          expect(window.covers(at, at + each.length)).toBe(true)
          expect(Buffer.from(window.text.substring(at - window.from, at + each.length - window.from), 'latin1')).toEqual(Buffer.from(each))
          at += each.length
        }
      }
      window.learn(from, end, Buffer.concat(given.map((each) => each.before)).filter((byte) => byte > 127).length)
      expectTexts()
      expect(window.isAscii(0, from)).toBe(from === 0)
      expect(window.isAscii(end, bytes.length)).toBe(true)
      window.covers(0, 1)
      if (from > 0) expect(window.isAscii(0, end)).toBe(bytes.subarray(0, end).every((byte) => byte < 128))
      expectTexts()
    }))
  })

  it('copies any stretch to any place, and nothing beside it', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 1_200 }), fc.nat(1_200), fc.nat(1_200), fc.nat(30), (bytes, a, b, at) => {
      const [start, end] = [Math.min(a, b, bytes.length), Math.min(Math.max(a, b), bytes.length)]
      const target = new Uint8Array(1_300).fill(170)
      new TextWindow(bytes, bytes.length).copy(start, end, target, new DataView(target.buffer), at)
      const expected = new Uint8Array(1_300).fill(170)
      expected.set(bytes.subarray(start, end), at)
      expect(target).toEqual(expected)
    }))
  })
})
