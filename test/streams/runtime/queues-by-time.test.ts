import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { QueuesByTime } from '../../../src/streams/runtime/queues-by-time.ts'
import type { RecordQueue } from '../../../src/streams/runtime/record-queue.ts'

function queueAt(timestamp: number, name = ''): RecordQueue {
  return { head: { timestamp }, topic: name } as unknown as RecordQueue
}

function drain(queues: QueuesByTime): RecordQueue[] {
  const drained: RecordQueue[] = []
  for (let first = queues.first; first !== null; first = queues.first) {
    drained.push(first)
    queues.removeFirst()
  }
  return drained
}

describe('QueuesByTime', () => {
  it('gives the smallest timestamp first, whatever the order of adding', () => {
    fc.assert(fc.property(fc.array(fc.nat(20)), (timestamps) => {
      const queues = new QueuesByTime()
      for (const timestamp of timestamps) queues.add(queueAt(timestamp))
      expect(drain(queues).map((queue) => queue.head!.timestamp)).toEqual([...timestamps].sort((a, b) => a - b))
    }))
  })

  it('orders equal timestamps as a heap of Java does: the last one added comes second', () => {
    const queues = new QueuesByTime()
    for (const name of ['a', 'b', 'c', 'd']) queues.add(queueAt(5, name))
    expect(drain(queues).map((queue) => queue.topic)).toEqual(['a', 'd', 'c', 'b'])
  })

  it('has nothing after clear()', () => {
    const queues = new QueuesByTime()
    queues.add(queueAt(1))
    queues.clear()
    expect(queues.first).toBeNull()
  })
})
