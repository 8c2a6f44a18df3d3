import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../src/core/index.ts'
import { StreamsBuilder, topic } from '../../src/streams/index.ts'
import { keyMetadata, storeMetadata } from '../../src/streams/store-metadata.ts'
import type { KeyQuestion } from '../../src/streams/store-metadata.ts'
import { noStandbys } from '../../src/streams/threads/app-thread.ts'

it('counts as behind what is not read yet, and what is read and waits', () => {
  const builder = new StreamsBuilder()
  builder.table(topic('people', { key: stringSerde, value: stringSerde }), { store: 'people' })
  const inputs = [{ topic: 'people', partition: 0, position: 64, readTo: 200, end: 250 }]
  const [people] = storeMetadata(builder.build(), [{ taskId: '0_0', partition: 0, stores: ['people'], inputs, waitingRecords: 136 }], [])
  expect(people).toMatchObject({ name: 'people', partitions: [0], lagRecords: 186, position: [{ topic: 'people', partition: 0, offset: 64 }] })
})

describe('keyMetadata', () => {
  const builder = new StreamsBuilder()
  builder.stream(topic('words', { key: stringSerde, value: stringSerde })).groupByKey().count({ store: 'counts' })
  const topology = builder.build()

  function ask(owner: string | null, ownTasks: readonly string[]) {
    const member = { memberId: 'm', clientId: owner ?? '', assignment: owner === null ? [] : [{ topic: 'words', partition: 0 }] }
    return keyMetadata('a', {
      spec: topology.stores[0]!, applicationId: 'app', topology, partitionCounts: new Map([['words', 1]]), ownTasks,
      ownClients: new Set(['here-consumer@10.0.0.1:80']), standbys: noStandbys, group: { members: [member] } as unknown as KeyQuestion['group'],
    })
  }

  it('names the instance that has the key', () => {
    expect(ask('there-consumer@10.0.0.2:80', [])).toMatchObject({ isLocal: false, isMoving: false, endpoint: '10.0.0.2:80' })
    expect(ask('here-consumer@10.0.0.1:80', ['0_0'])).toMatchObject({ isLocal: true, isMoving: false, endpoint: '10.0.0.1:80' })
  })

  it('names nobody while the key moves: not this instance either, which has it and cannot answer yet', () => {
    expect(ask(null, [])).toMatchObject({ isLocal: false, isMoving: true, endpoint: null })
    expect(ask('here-consumer@10.0.0.1:80', [])).toMatchObject({ isLocal: false, isMoving: true, endpoint: null })
  })
})
