import { expect, test } from 'vitest'
import { OpenBatch } from '../../../src/core/engine/open-batch.ts'
import { RecordBatchBuilder } from '../../../src/core/log/record-batch-builder.ts'

const target = { topic: 'orders', partition: 2 }
const record = (text: string) => ({ topic: 'orders', value: Buffer.from(text) })

test('each append learns its own place, and the append time where the topic stamps records', async () => {
  const batch = new OpenBatch(target, new RecordBatchBuilder({ maxBytes: 1000 }))
  const places = Promise.all([batch.add(record('a'), 100, 1), batch.add(record('b'), 101, 1)])
  batch.settle({ ...target, recordCount: 2, baseOffset: 7, logAppendTime: -1 })
  expect(await places).toEqual([{ ...target, offset: 7, timestamp: 100 }, { ...target, offset: 8, timestamp: 101 }])
  expect(batch.payloadBytes).toBe(2)

  const stamped = new OpenBatch(target, new RecordBatchBuilder({ maxBytes: 1000 }))
  const place = stamped.add(record('c'), 100, 1)
  stamped.settle({ ...target, recordCount: 1, baseOffset: 9, logAppendTime: 555 })
  expect(await place).toEqual({ ...target, offset: 9, timestamp: 555 })
})

test('a record that does not fit is not taken, and a failure reaches everybody', async () => {
  const batch = new OpenBatch(target, new RecordBatchBuilder({ maxBytes: 100 }))
  const first = batch.add(record('a'), 0, 1)!
  expect(batch.add(record('b'.repeat(100)), 0, 100)).toBeNull()
  expect(batch.payloadBytes).toBe(1)
  batch.fail(new Error('disk'))
  await expect(first).rejects.toThrow('disk')
})
