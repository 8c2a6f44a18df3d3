import { describe, expect, it } from 'vitest'
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from '../../src/core/consumer-protocol.ts'

describe('the consumer protocol', () => {
  it('gives back a subscription as it was, with user data and owned partitions', () => {
    const subscription = { topics: ['a', 'b'], userData: Uint8Array.of(1, 2), ownedPartitions: [{ topic: 'a', partition: 0 }, { topic: 'a', partition: 2 }, { topic: 'b', partition: 1 }], generation: 7, rackId: null }
    expect(decodeSubscription(encodeSubscription(subscription))).toEqual(subscription)
  })

  it('writes the bytes that Kafka\'s consumers write', () => {
    const bytes = encodeSubscription({ topics: ['t'], userData: null, ownedPartitions: [], generation: 1, rackId: null }, 1)
    expect(Buffer.from(bytes).toString('hex')).toBe('0001' + '00000001' + '000174' + 'ffffffff' + '00000000')
    expect(Buffer.from(encodeAssignment({ partitions: [{ topic: 't', partition: 3 }], userData: null }, 0)).toString('hex')).toBe('0000' + '00000001' + '000174' + '00000001' + '00000003' + 'ffffffff')
  })

  it('reads version 0, and what later versions add is passed over', () => {
    expect(decodeSubscription(Buffer.from('0000' + '00000001' + '000174' + 'ffffffff', 'hex'))).toEqual({ topics: ['t'], userData: null, ownedPartitions: [], generation: -1, rackId: null })
    const later = Buffer.from('0009' + '00000001' + '000174' + 'ffffffff' + '00000000' + '00000007' + '000172' + 'beef', 'hex')
    expect(decodeSubscription(later)).toEqual({ topics: ['t'], userData: null, ownedPartitions: [], generation: 7, rackId: 'r' })
  })

  it('takes no bytes for no partitions, and refuses an impossible length', () => {
    expect(decodeAssignment(new Uint8Array(0)).partitions).toEqual([])
    expect(() => decodeAssignment(Buffer.from('00007fffffff', 'hex'))).toThrow(/items and \d+ bytes are left/)
  })
})
