import { expect, it } from 'vitest'
import { stringSerde } from '../../src/core/index.ts'
import { StreamsBuilder, topic } from '../../src/streams/index.ts'
import { storeMetadata } from '../../src/streams/store-metadata.ts'

it('counts as behind what is not read yet, and what is read and waits', () => {
  const builder = new StreamsBuilder()
  builder.table(topic('people', { key: stringSerde, value: stringSerde }), { store: 'people' })
  const inputs = [{ topic: 'people', partition: 0, position: 64, readTo: 200, end: 250 }]
  const [people] = storeMetadata(builder.build(), [{ taskId: '0_0', partition: 0, stores: ['people'], inputs, waitingRecords: 136 }], [])
  expect(people).toMatchObject({ name: 'people', partitions: [0], lagRecords: 186, position: [{ topic: 'people', partition: 0, offset: 64 }] })
})
