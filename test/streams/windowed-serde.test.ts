import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { stringSerde } from '../../src/core/index.ts'
import { isWindowedSerde, jsonWindowedSerde, sessionWindowedSerde, timeWindowedSerde } from '../../src/streams/windowed-serde.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const window = { key: 'ab', start: 258, end: 268 }

describe('a serde of windowed keys', () => {
  it('writes the key, then the start, as Kafka Streams does', () => {
    const serde = timeWindowedSerde(stringSerde, 10)
    expect(hex(serde.serialize(window))).toBe('61620000000000000102')
    expect(serde.deserialize(serde.serialize(window))).toEqual(window)
    expect(timeWindowedSerde(stringSerde).deserialize(serde.serialize(window)).end).toBe(Infinity)
  })

  it('writes sessions with the end before the start', () => {
    const serde = sessionWindowedSerde(stringSerde)
    expect(hex(serde.serialize(window))).toBe('6162000000000000010c0000000000000102')
    expect(serde.deserialize(serde.serialize(window))).toEqual(window)
  })

  it('writes readable keys as JSON, without an end for unlimited windows', () => {
    const serde = jsonWindowedSerde()
    expect(stringSerde.deserialize(serde.serialize(window))).toBe('{"key":"ab","start":258,"end":268}')
    expect(stringSerde.deserialize(serde.serialize({ ...window, end: Infinity }))).toBe('{"key":"ab","start":258,"end":null}')
    expect(serde.deserialize(stringSerde.serialize('{"key":"ab","start":258,"end":null}')).end).toBe(Infinity)
  })

  it('writes any key as JSON.stringify does', () => {
    const serde = jsonWindowedSerde()
    for (const key of ['', 'a"b', 'back\\slash', 'line\nbreak', 'é', '\u007f', '\ud800', '\u2028']) {
      const text = JSON.stringify({ key, start: 258, end: 268 })
      expect(stringSerde.deserialize(serde.serialize({ ...window, key }))).toBe(text)
      const room = new Uint8Array(300)
      expect(stringSerde.deserialize(room.subarray(7, serde.serializeInto!({ ...window, key }, room, 7)))).toBe(text)
      expect(serde.serializeInto!({ ...window, key }, room.subarray(0, 20), 7)).toBe(-1)
    }
  })

  it('checks the key of a readable one by its schema', () => {
    const serde = jsonWindowedSerde(z.object({ id: z.number() }))
    expect(serde.deserialize(stringSerde.serialize('{"key":{"id":1},"start":0,"end":1}'))).toEqual({ key: { id: 1 }, start: 0, end: 1 })
    expect(() => serde.deserialize(stringSerde.serialize('{"key":{"id":"1"},"start":0,"end":1}'))).toThrow('id: ')
    expect(() => serde.deserialize(stringSerde.serialize('{"id":1}'))).toThrow('a windowed key in JSON is')
  })

  it('refuses bytes too short for its times', () => {
    expect(() => timeWindowedSerde(stringSerde, 10).deserialize(new Uint8Array(7))).toThrow('ends with 8 bytes of times, but the data has 7')
  })

  it('tells the serde of the key inside, by which records are partitioned', () => {
    expect(isWindowedSerde(jsonWindowedSerde())).toBe(true)
    expect(timeWindowedSerde(stringSerde, 10).inner).toBe(stringSerde)
    expect(isWindowedSerde(stringSerde)).toBe(false)
  })
})
