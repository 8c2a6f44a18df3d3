import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../src/core/index.ts'
import { StreamsBuilder } from '../../src/streams/streams-builder.ts'
import { TopologyTestDriver } from '../../src/streams/testing/topology-test-driver.ts'
import { topic } from '../../src/streams/topic.ts'

const texts = { key: stringSerde, value: stringSerde }
const [orders, customers, joined] = [topic('orders', texts), topic('customers', texts), topic('joined', texts)]
const [ordersByLength, customersByLength] = [topic('orders-by-length', texts), topic('customers-by-length', texts)]
const byLength = (_topic: string, key: string, partitions: number) => key.length % partitions

/** Tables whose topics are partitioned by the length of the key, joined over four partitions. */
function run(options: { readonly partitioner?: typeof byLength; readonly otherPartitioner?: typeof byLength }): readonly (string | null)[] {
  const builder = new StreamsBuilder()
  const partitioner = (name: string, key: string, _value: string, partitions: number) => byLength(name, key, partitions)
  builder.stream(orders).to(ordersByLength, { partitioner })
  builder.stream(customers).to(customersByLength, { partitioner })
  builder.table(ordersByLength)
    .leftJoinOn(builder.table(customersByLength), (customer) => customer, (customer, name) => `${customer}: ${name ?? 'nobody'}`, options)
    .toStream()
    .to(joined)
  const driver = new TopologyTestDriver(builder.build(), { partitions: 4 })
  const names = ['c', 'cc', 'ccc', 'cccc', 'ccccc']
  for (const key of names) driver.inputTopic(customers).pipe({ key, value: `customer ${key.length}`, timestamp: 1 })
  for (const [index, key] of names.entries()) driver.inputTopic(orders).pipe({ key: 'o'.repeat(index + 1), value: key, timestamp: 2 })
  return driver.outputTopic(joined).readValues()
}

const complete = [1, 2, 3, 4, 5].map((length) => `${'c'.repeat(length)}: customer ${length}`)

describe('a foreign-key join of tables that are not partitioned by the default', () => {
  it('finds every row when it is told how both are', () => {
    expect(run({ partitioner: byLength, otherPartitioner: byLength })).toEqual(complete)
  })

  it('answers in the partition of the row that asked, told or not', () => {
    expect(run({ otherPartitioner: byLength })).toEqual(complete)
  })

  it('looks in the wrong partitions when it is not told how the other table is', () => {
    expect(run({}).filter((value) => value?.endsWith('nobody'))).not.toEqual([])
  })
})
