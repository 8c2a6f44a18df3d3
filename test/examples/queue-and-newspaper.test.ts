import { expect, it } from 'vitest'
import { packAndBill } from '../../examples/queue-and-newspaper/main.ts'
import { openEmbeddedBroker } from '../../src/core/index.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'

const orders = Array.from({ length: 20 }, (_, index) => `order ${index}`).sort()

it('one group shares the orders, and each group sees all of them', async () => {
  const broker = await openEmbeddedBroker({ directory: '/data', fileSystem: new MemoryFileSystem() })
  const { packers, billing } = await packAndBill(broker)
  expect(packers.flat().toSorted()).toEqual(orders)
  expect(packers.map(({ length }) => length)).toEqual([10, 10])
  expect(billing.toSorted()).toEqual(orders)
  for (const groupId of ['packing', 'billing']) {
    const { offsets } = await broker.groups.describe(groupId)
    expect(offsets.map(({ offset }) => offset)).toEqual([5, 5, 5, 5])
  }
  await broker.close()
})
