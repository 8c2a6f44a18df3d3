/**
 * One topic, read in both ways at once: two packers share the orders, as they would a queue; billing sees every order, as
 * a subscriber does. What makes the difference is the group id, and nothing else.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedBroker } from 'millrace'
import type { Broker, GroupMember } from 'millrace'

const orderCount = 20

export interface Seen {
  readonly packers: readonly (readonly string[])[]
  readonly billing: readonly string[]
}

/** One read: notes what there is, and commits that it was seen. */
async function readOn(member: GroupMember, seen: string[]): Promise<void> {
  for (const { topic, partition, batches, nextOffset } of (await member.read({ maxWaitMs: 100 })).partitions) {
    for (const batch of batches) for (const { value } of batch) seen.push(new TextDecoder().decode(value!))
    await member.commit([{ topic, partition, offset: nextOffset }])
  }
}

async function work(member: GroupMember, seen: string[], enough: () => boolean): Promise<void> {
  while (!enough()) await readOn(member, seen)
  await member.leave()
}

async function placeOrders(broker: Broker): Promise<void> {
  const producer = await broker.openProducer()
  const text = (words: string) => new TextEncoder().encode(words)
  await Promise.all(Array.from({ length: orderCount }, (_, index) => producer.append({ topic: 'orders', partition: index % 4, value: text(`order ${index}`) })))
  await producer.close()
}

export async function packAndBill(broker: Broker): Promise<Seen> {
  await broker.topics.create([{ topic: 'orders', partitions: 4 }])
  await placeOrders(broker)
  const join = (groupId: string) => broker.joinGroup({ groupId, topics: ['orders'], offsetReset: 'earliest' })
  const packers: string[][] = [[], []]
  const billing: string[] = []
  const packed = () => packers.flat().length >= orderCount
  const first = await join('packing')
  // Nothing is packed before there are two to share the work.
  first.pause(first.assignment)
  const second = join('packing')
  while (first.assignment.length > 2) await readOn(first, packers[0]!)
  await Promise.all([
    work(first, packers[0]!, packed),
    second.then((member) => work(member, packers[1]!, packed)),
    join('billing').then((member) => work(member, billing, () => billing.length >= orderCount)),
  ])
  return { packers, billing }
}

if (process.argv[1] === import.meta.filename) {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-orders-'))
  const broker = await openEmbeddedBroker({ directory })
  const { packers, billing } = await packAndBill(broker)
  packers.forEach((orders, index) => console.log(`packer ${index + 1} packed ${orders.length} of ${orderCount}: ${orders.join(', ')}`))
  console.log(`billing saw ${billing.length} of ${orderCount}`)
  await broker.close()
  rmSync(directory, { recursive: true })
}
