import { describe, expect, it } from 'vitest'
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from '../../../src/core/kafka/consumer-protocol.ts'

describe('the consumer protocol', () => {
  it('gives back a subscription as it was, with user data and owned partitions', () => {
    const subscription = { topics: ['a', 'b'], userData: Buffer.from([1, 2]), ownedPartitions: [{ topic: 'a', partition: 0 }, { topic: 'a', partition: 2 }, { topic: 'b', partition: 1 }] }
    expect(decodeSubscription(encodeSubscription(subscription))).toEqual(subscription)
  })

  it('writes the bytes that Kafka\'s consumers write', () => {
    const bytes = encodeSubscription({ topics: ['t'], userData: null, ownedPartitions: [] })
    expect(Buffer.from(bytes).toString('hex')).toBe('0001' + '00000001' + '000174' + 'ffffffff' + '00000000')
    expect(Buffer.from(encodeAssignment([{ topic: 't', partition: 3 }])).toString('hex')).toBe('0000' + '00000001' + '000174' + '00000001' + '00000003' + 'ffffffff')
  })

  it('reads version 0, and what later versions add is passed over', () => {
    expect(decodeSubscription(Buffer.from('0000' + '00000001' + '000174' + 'ffffffff', 'hex'))).toEqual({ topics: ['t'], userData: null, ownedPartitions: [] })
    const later = Buffer.from('0003' + '00000001' + '000174' + 'ffffffff' + '00000000' + '00000007' + '000172', 'hex')
    expect(decodeSubscription(later)).toEqual({ topics: ['t'], userData: null, ownedPartitions: [] })
  })

  it('takes no bytes for no partitions, and refuses an impossible length', () => {
    expect(decodeAssignment(new Uint8Array(0))).toEqual([])
    expect(() => decodeAssignment(Buffer.from('00007fffffff', 'hex'))).toThrow(/impossible length/)
  })
})
