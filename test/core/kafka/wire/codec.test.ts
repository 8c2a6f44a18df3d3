import { describe, expect, it } from 'vitest'
import { api, array, boolean, bytes, decodeResponse, encodeRequest, int16, int32, int64, int8, nullableArray, nullableBytes, nullableString, string, struct } from '../../../../src/core/kafka/wire/codec.ts'

const everything = struct({
  int8, int16, int32, int64, boolean, string, missing: nullableString, bytes, none: nullableBytes,
  list: array(struct({ name: string })), noList: nullableArray(int32),
})
const value = {
  int8: -1, int16: -2, int32: -3, int64: Number.MAX_SAFE_INTEGER, boolean: true, string: 'ä€', missing: null, bytes: Buffer.from([1, 2, 3]), none: null,
  list: [{ name: 'one' }, { name: '' }], noList: null,
}
const plain = api(1, 'Plain', 0, { request: everything, response: everything })
const flexible = api(2, 'Flexible', 9, { request: everything, response: everything, flexible: true })

describe('the wire codec', () => {
  it('gives back what was written, in both forms', () => {
    expect(decodeResponse(plain, encodeRequest(plain, value))).toEqual(value)
    expect(decodeResponse(flexible, encodeRequest(flexible, value))).toEqual(value)
  })

  it('writes compact lengths and empty tag sections in the flexible form alone', () => {
    const names = struct({ names: array(string) })
    expect(encodeRequest(api(1, 'N', 0, { request: names, response: names }), { names: ['ab'] }).toString('hex')).toBe('00000001' + '0002' + '6162')
    expect(encodeRequest(api(1, 'N', 0, { request: names, response: names, flexible: true }), { names: ['ab'] }).toString('hex')).toBe('00' + '02' + '03' + '6162' + '00')
  })

  it('passes over tagged fields that it does not know', () => {
    const one = api(1, 'One', 0, { request: struct({}), response: struct({ errorCode: int16 }), flexible: true })
    expect(decodeResponse(one, Buffer.from('00' + '0007' + '02' + '05' + '02ffff' + '8001' + '01ee', 'hex'))).toEqual({ errorCode: 7 })
  })

  it('grows for large values', () => {
    const large = Buffer.alloc(300_000, 7)
    const message = api(1, 'Large', 0, { request: struct({ bytes }), response: struct({ bytes }) })
    expect(large.equals(decodeResponse(message, encodeRequest(message, { bytes: large })).bytes)).toBe(true)
  })

  it('refuses every answer that is cut short, and lengths beyond the answer', () => {
    for (const message of [plain, flexible]) {
      const whole = encodeRequest(message, value)
      for (let length = 0; length < whole.length; length++) expect(() => decodeResponse(message, whole.subarray(0, length))).toThrow(/breaks off or has an impossible length/)
    }
    const list = api(1, 'List', 0, { request: struct({}), response: struct({ list: array(int8) }) })
    expect(() => decodeResponse(list, Buffer.from('7fffffff', 'hex'))).toThrow(/impossible length/)
    expect(() => decodeResponse(list, Buffer.from('fffffffe', 'hex'))).toThrow(/impossible length/)
  })
})
