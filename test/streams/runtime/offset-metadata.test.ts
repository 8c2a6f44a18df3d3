import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeMetadata, encodeMetadata } from '../../../src/streams/runtime/offset-metadata.ts'

describe('offset metadata', () => {
  it('comes back as it was committed', () => {
    const times = fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER })
    fc.assert(fc.property(times, fc.array(fc.tuple(fc.string(), times)), (partitionTime, operators) => {
      const metadata = { partitionTime, operators: new Map(operators) }
      expect(decodeMetadata(encodeMetadata(metadata))).toEqual(metadata)
    }))
  })

  it('is read in the form of older releases of Kafka Streams, too', () => {
    expect(decodeMetadata('AQAAAAAAAAAF')).toEqual({ partitionTime: 5, operators: new Map() })
  })

  it.each([undefined, '', 'AwAAAAAAAAAF', 'AgAAAAAA', 'AgAAAAAAAAAAAAAAAQAAAAJr', 'AgAAAAAAAAAAAAAAAX////9rMA==', '{"partitionTime":"x","operators":5}', '[1]', 'null'])('counts %j as nothing known', (text) => {
    expect(decodeMetadata(text)).toEqual({ partitionTime: -1, operators: new Map() })
  })
})
