import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { droppedTicket, partitionIdentity, SubmittedOffsets } from '../../../src/connect/runtime/submitted-offsets.ts'
import type { Ticket } from '../../../src/connect/runtime/submitted-offsets.ts'

const a = { log: 'a' }
const b = { log: 'b' }
const at = (position: number) => ({ position })

describe('SubmittedOffsets', () => {
  it('commits the longest acknowledged prefix and never skips a gap', () => {
    const submitted = new SubmittedOffsets()
    const tickets = [1, 2, 3].map((position) => {
      const ticket: Ticket = { acknowledged: false }
      submitted.submit(a, at(position), ticket)
      return ticket
    })
    tickets[0]!.acknowledged = true
    tickets[2]!.acknowledged = true
    expect(submitted.takeCommittable()).toEqual([[a, at(1)]])
    expect(submitted.takeCommittable()).toEqual([])
    tickets[1]!.acknowledged = true
    expect(submitted.takeCommittable()).toEqual([[a, at(3)]])
    expect(submitted.isEmpty).toBe(true)
  })

  it('asks the last record of a run alone for its offset, and keeps the order of what comes between', () => {
    const submitted = new SubmittedOffsets()
    const asked: number[] = []
    const ticket: Ticket = { acknowledged: true }
    const record = (sourcePartition: typeof a, position: number) => ({ sourcePartition, get sourceOffset() { return asked.push(position), at(position) } })
    for (const position of [1, 2, 3]) submitted.submitRecord(record(a, position), ticket)
    submitted.submitRecord(record(b, 4), ticket)
    submitted.submitRecord(record(b, 5), { acknowledged: false })
    submitted.submit(a, at(6), ticket)
    expect(submitted.isEmpty).toBe(false)
    expect(asked).toEqual([3, 4, 5])
    submitted.submitRecord(record(a, 7), ticket)
    expect(submitted.takeCommittable()).toEqual([[a, at(7)], [b, at(4)]])
    expect(asked).toEqual([3, 4, 5, 7])
  })

  it('lets one source partition wait without holding back another', () => {
    const submitted = new SubmittedOffsets()
    submitted.submit(a, at(1), { acknowledged: false })
    submitted.submit(b, at(7), { acknowledged: true })
    expect(submitted.takeCommittable()).toEqual([[b, at(7)]])
  })

  it('advances over records that were dropped', () => {
    const submitted = new SubmittedOffsets()
    for (const position of [1, 2, 3]) submitted.submit(a, at(position), droppedTicket)
    expect(submitted.takeCommittable()).toEqual([[a, at(3)]])
  })

  it('takes partitions with the same members for the same, whatever their order', () => {
    expect(partitionIdentity({ x: 1, y: 'z' })).toBe(partitionIdentity({ y: 'z', x: 1 }))
    expect(partitionIdentity({ x: 1 })).not.toBe(partitionIdentity({ x: '1' }))
  })

  it('commits what a plain list would, in any order of acknowledgement', () => {
    fc.assert(fc.property(fc.array(fc.record({ partition: fc.constantFrom(a, b), batch: fc.nat(4) }), { maxLength: 40 }), fc.array(fc.nat(4)), (records, order) => {
      const submitted = new SubmittedOffsets()
      const tickets = Array.from({ length: 5 }, (): Ticket => ({ acknowledged: false }))
      const model = new Map([[a, 0], [b, 0]])
      records.forEach(({ partition, batch }, index) => submitted.submit(partition, at(index + 1), tickets[batch]!))
      for (const batch of order) {
        tickets[batch]!.acknowledged = true
        for (const [partition, { position }] of submitted.takeCommittable() as [typeof a, { position: number }][]) model.set(partition, position)
        for (const partition of [a, b]) {
          const mine = records.map((record, index) => ({ ...record, position: index + 1 })).filter((record) => record.partition === partition)
          const pending = mine.findIndex((record) => !tickets[record.batch]!.acknowledged)
          const prefix = pending === -1 ? mine : mine.slice(0, pending)
          expect(model.get(partition)).toBe(prefix.at(-1)?.position ?? 0)
        }
      }
    }))
  })
})
