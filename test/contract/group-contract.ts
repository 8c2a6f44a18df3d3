import { expect } from 'vitest'
import { rangeAssignor, roundRobinAssignor } from '../../src/core/index.ts'
import type { AssignmentInput, OffsetReset } from '../../src/core/index.ts'
import { PollingMember, codeOf, createTopic, decode, eventually, freshName, partitionsOf, patienceMs, recordOf, topicWith } from './contract-kit.ts'
import type { Promises } from './broker-suite.ts'

export function groupContract(promises: Promises): void {
  promises('the only member gets every partition, and is told', async (broker) => {
    const topic = await topicWith(broker, 3)
    const only = await PollingMember.join(broker, { groupId: freshName('group'), topics: [topic] })
    expect(only.assigned).toEqual(partitionsOf(topic, 3))
    expect(only.events).toHaveLength(1)
    expect(only.events[0]).toMatchObject({ generation: only.member.generation, revoked: [], lost: [] })
    expect(only.events[0]!.assigned).toHaveLength(3)
    expect(only.member.generation).toBeGreaterThan(0)
    expect(only.member.metadata()).toMatchObject({ memberId: only.member.memberId, generation: only.member.generation, groupInstanceId: null })
    await only.leave()
  })

  promises('without a committed offset a member begins where offsetReset says', async (broker) => {
    const topic = await topicWith(broker, 1, ['old'])
    const earliest = await PollingMember.join(broker, { groupId: freshName('group'), topics: [topic], offsetReset: 'earliest' })
    const latest = await broker.joinGroup({ groupId: freshName('group'), topics: [topic] })
    while (latest.assignment.length === 0) await latest.read({ maxWaitMs: 300 })
    await latest.read({ maxWaitMs: 300 }) // where it begins is known now
    const producer = await broker.openProducer()
    await producer.append(recordOf({ topic, partition: 0 }, 'new'))
    await eventually(async () => expect(earliest.values).toEqual(['old', 'new']))
    const read = await eventually(async () => {
      const result = await latest.read({ maxWaitMs: 300 })
      expect(result.partitions).not.toEqual([])
      return result
    })
    expect([...read.partitions[0]!.batches[0]!].map((record) => decode(record.value))).toEqual(['new'])
    const none = await broker.joinGroup({ groupId: freshName('group'), topics: [topic], offsetReset: 'none' })
    expect(await codeOf(none.read({ maxWaitMs: patienceMs }))).toBe('OFFSET_OUT_OF_RANGE')
    await Promise.all([earliest.leave(), latest.leave(), none.leave(), producer.close()])
  })

  promises('a member that comes later goes on from the committed offsets', async (broker) => {
    const topic = await topicWith(broker, 1, ['a', 'b', 'c', 'd'])
    const groupId = freshName('group')
    const first = await PollingMember.join(broker, { groupId, topics: [topic], offsetReset: 'earliest' })
    await eventually(async () => expect(first.values).toHaveLength(4))
    await first.stop()
    expect(await first.member.committed([{ topic, partition: 0 }])).toEqual([])
    await first.member.commit([{ topic, partition: 0, offset: 2, metadata: 'half' }])
    await first.member.commit([])
    expect(await first.member.committed([{ topic, partition: 0 }])).toEqual([{ topic, partition: 0, offset: 2, metadata: 'half' }])
    await first.member.leave()
    const second = await PollingMember.join(broker, { groupId, topics: [topic], offsetReset: 'earliest' })
    await eventually(async () => expect(second.values).toEqual(['c', 'd']))
    await second.leave()
  })

  promises('two members share the partitions, and the one that stays gets them all back', async (broker, another) => {
    const topic = await topicWith(broker, 4)
    const groupId = freshName('group')
    const first = await PollingMember.join(broker, { groupId, topics: [topic] })
    const second = await PollingMember.join(another, { groupId, topics: [topic] })
    await eventually(async () => {
      expect(first.assigned).toHaveLength(2)
      expect([...first.assigned, ...second.assigned].sort()).toEqual(partitionsOf(topic, 4))
    })
    expect(first.member.generation).toBe(second.member.generation)
    const revoked = first.events.flatMap((event) => event.revoked)
    expect(revoked.length).toBeGreaterThanOrEqual(2)
    await second.leave()
    await eventually(async () => expect(first.assigned).toEqual(partitionsOf(topic, 4)))
    await first.leave()
  })

  promises('a static member that comes back has its partitions again, and the others notice nothing', async (broker, another) => {
    const topic = await topicWith(broker, 2)
    const groupId = freshName('group')
    const stays = await PollingMember.join(another, { groupId, topics: [topic], groupInstanceId: 'stays' })
    const comesBack = { groupId, topics: [topic], groupInstanceId: 'comes-back' }
    const first = await PollingMember.join(broker, comesBack)
    await eventually(async () => expect([...first.assigned, ...stays.assigned].sort()).toEqual(partitionsOf(topic, 2)))
    const { generation } = stays.member
    const events = stays.events.length
    await first.leave()
    const again = await PollingMember.join(broker, comesBack)
    expect(again.assigned).toEqual(first.assigned)
    expect(again.member.memberId).not.toBe(first.member.memberId)
    expect(again.member.metadata()).toMatchObject({ generation, groupInstanceId: 'comes-back' })
    expect(stays.events).toHaveLength(events)
    await stays.member.commit([{ topic, partition: 0, offset: 0 }])
    await Promise.all([again.leave(), stays.leave()])
  })

  promises('a member that does not take part in a rebalance in time loses its partitions', async (broker, another) => {
    const topic = await topicWith(broker, 2)
    const groupId = freshName('group')
    const events: string[] = []
    const stuck = await broker.joinGroup({
      groupId, topics: [topic], rebalanceTimeoutMs: 1_000,
      onRebalance: ({ assigned, revoked, lost }) => void events.push(`${assigned.length} assigned, ${revoked.length} revoked, ${lost.length} lost`),
    })
    const second = await PollingMember.join(another, { groupId, topics: [topic], rebalanceTimeoutMs: 1_000 })
    await eventually(async () => expect(second.assigned).toEqual(partitionsOf(topic, 2)))
    expect(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION']).toContain(await codeOf(stuck.commit([{ topic, partition: 0, offset: 0 }])))
    await eventually(async () => {
      await stuck.read({ maxWaitMs: 50 })
      expect(stuck.assignment).toHaveLength(1)
    })
    expect(events).toEqual(['2 assigned, 0 revoked, 0 lost', '0 assigned, 0 revoked, 2 lost', '1 assigned, 0 revoked, 0 lost'])
    await Promise.all([stuck.leave(), second.leave()])
  })

  promises('a member that stops reading leaves the others its partitions, and joins again with its next read', async (broker, another) => {
    const topic = await topicWith(broker, 2)
    const groupId = freshName('group')
    const events: string[] = []
    const stuck = await broker.joinGroup({
      groupId, topics: [topic], maxPollIntervalMs: 300,
      onRebalance: ({ assigned, revoked, lost }) => void events.push(`${assigned.length} assigned, ${revoked.length} revoked, ${lost.length} lost`),
    })
    await eventually(async () => expect((await broker.groups.describe(groupId)).members).toEqual([]))
    const second = await PollingMember.join(another, { groupId, topics: [topic] })
    await eventually(async () => expect(second.assigned).toEqual(partitionsOf(topic, 2)))
    expect(await codeOf(stuck.commit([{ topic, partition: 0, offset: 0 }]))).toBe('UNKNOWN_MEMBER_ID')
    await eventually(async () => {
      await stuck.read({ maxWaitMs: 50 })
      expect(stuck.assignment).toHaveLength(1)
    })
    expect(events.slice(0, 3)).toEqual(['2 assigned, 0 revoked, 0 lost', '0 assigned, 0 revoked, 2 lost', '1 assigned, 0 revoked, 0 lost'])
    await Promise.all([stuck.leave(), second.leave()])
  })

  promises('a member that goes on reading stays, however long a single read waits', async (broker) => {
    const topic = await topicWith(broker, 1)
    const events: number[] = []
    const member = await broker.joinGroup({ groupId: freshName('group'), topics: [topic], maxPollIntervalMs: 500, onRebalance: ({ lost }) => void events.push(lost.length) })
    await member.read({ maxWaitMs: 1_500 })
    expect(events).toEqual([0])
    await member.leave()
  })

  promises('without a committed offset a member can begin with what is young enough', async (broker) => {
    const topic = await createTopic(broker, { partitions: 2 })
    const producer = await broker.openProducer()
    const now = Date.now()
    for (const [partition, age] of [[0, 7_200_000], [0, 60_000], [1, 7_200_000]] as const) await producer.append({ ...recordOf({ topic, partition }, `${age} old`), timestamp: now - age })
    const member = await PollingMember.join(broker, { groupId: freshName('group'), topics: [topic], offsetReset: { maxAgeMs: 3_600_000 } })
    await eventually(async () => expect(member.values).toEqual(['60000 old']))
    await eventually(async () => {
      await producer.append(recordOf({ topic, partition: 1 }, 'new'))
      expect(member.values.slice(0, 2)).toEqual(['60000 old', 'new'])
    })
    await Promise.all([member.leave(), producer.close()])
  })

  promises('the rack of a member reaches the assignor', async (broker) => {
    const topic = await topicWith(broker, 1)
    const racks: unknown[] = []
    const assignor = { ...rangeAssignor, assign: (input: AssignmentInput) => (racks.push(input.members.map(({ rackId }) => rackId)), rangeAssignor.assign(input)) }
    const member = await PollingMember.join(broker, { groupId: freshName('group'), topics: [topic], assignors: [assignor], rackId: 'cellar' })
    expect(racks).toEqual([['cellar']])
    await member.leave()
  })

  promises('a generation that has ended cannot commit', async (broker) => {
    const topic = await topicWith(broker, 1)
    const groupId = freshName('group')
    const first = await PollingMember.join(broker, { groupId, topics: [topic] })
    const stale = first.member.metadata()
    await first.leave()
    const second = await PollingMember.join(broker, { groupId, topics: [topic] })
    const producer = await broker.openProducer({ transactionalId: freshName('tx') })
    producer.begin()
    expect(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID']).toContain(await codeOf(producer.commit({ group: stale, offsets: [{ topic, partition: 0, offset: 1 }] })))
    await producer.abort()
    expect(await codeOf(first.member.commit([{ topic, partition: 0, offset: 1 }]))).toBe('CLOSED')
    await Promise.all([second.leave(), producer.close()])
  })

  promises('a topic that gets more partitions makes the group rebalance', async (broker) => {
    const topic = await topicWith(broker, 1)
    const only = await PollingMember.join(broker, { groupId: freshName('group'), topics: [topic] })
    await broker.topics.alter(topic, { partitions: 3 })
    await eventually(async () => expect(only.assigned).toEqual(partitionsOf(topic, 3)))
    await only.leave()
  })

  promises('a paused partition is not read until it is resumed, and a sought one from there on', async (broker) => {
    const topic = await topicWith(broker, 2, ['a', 'b', 'c'])
    const member = await broker.joinGroup({ groupId: freshName('group'), topics: [topic], offsetReset: 'earliest' })
    const readAll = async (count: number): Promise<readonly string[]> => {
      const values: string[] = []
      await eventually(async () => {
        for (const { partition, batches } of (await member.read({ maxWaitMs: 100 })).partitions) {
          for (const batch of batches) for (const record of batch) values.push(`${partition}${decode(record.value)}`)
        }
        expect(values.length).toBeGreaterThanOrEqual(count)
      })
      return values.sort()
    }
    member.pause([{ topic, partition: 1 }])
    expect(await readAll(3)).toEqual(['0a', '0b', '0c'])
    expect((await member.read({ maxWaitMs: 50 })).partitions).toEqual([])
    member.resume([{ topic, partition: 1 }])
    member.seek({ topic, partition: 0, offset: 2 })
    expect(await readAll(4)).toEqual(['0c', '1a', '1b', '1c'])
    expect(await codeOf(() => member.seek({ topic, partition: 7, offset: 0 }))).toBe('INVALID_ARGUMENT')
    await member.leave()
  })

  promises('a seek that comes while a position out of range is looked up anew stays', async (broker) => {
    const topic = await topicWith(broker, 1, ['a', 'b', 'c', 'd'])
    const member = await broker.joinGroup({ groupId: freshName('group'), topics: [topic], offsetReset: 'earliest' })
    while (member.assignment.length === 0) await member.read({ maxWaitMs: 100 })
    member.seek({ topic, partition: 0, offset: 77 })
    const reading = member.read({ maxWaitMs: 100 })
    member.seek({ topic, partition: 0, offset: 3 })
    const values: string[] = []
    for (let { partitions } = await reading; values.length === 0; { partitions } = await member.read({ maxWaitMs: 100 })) {
      for (const batch of partitions.flatMap(({ batches }) => batches)) for (const record of batch) values.push(decode(record.value)!)
    }
    expect(values).toEqual(['d'])
    await member.leave()
  })

  promises('the assignor that was asked for divides the partitions', async (broker, another) => {
    const topic = await topicWith(broker, 4)
    const groupId = freshName('group')
    const options = { groupId, topics: [topic], assignors: [roundRobinAssignor] }
    const first = await PollingMember.join(broker, options)
    const second = await PollingMember.join(another, options)
    await eventually(async () => expect([first.assigned.join(), second.assigned.join()].sort()).toEqual([`${topic}-0,${topic}-2`, `${topic}-1,${topic}-3`]))
    expect((await broker.groups.describe(groupId)).assignor).toBe('roundrobin')
    await Promise.all([first.leave(), second.leave()])
  })

  promises('what an assignor sends along reaches the leader', async (broker) => {
    const topic = await topicWith(broker, 1)
    const seen: (string | null)[] = []
    const assignor = {
      ...roundRobinAssignor,
      name: 'with-data',
      userData: () => new TextEncoder().encode('about me'),
      assign(input: Parameters<typeof roundRobinAssignor.assign>[0]) {
        seen.push(...input.members.map((member) => decode(member.userData)))
        return roundRobinAssignor.assign(input)
      },
    }
    const only = await PollingMember.join(broker, { groupId: freshName('group'), topics: [topic], assignors: [assignor] })
    expect(seen).toEqual(['about me'])
    await only.leave()
  })

  promises('an assignor sends something back to each member, with an empty assignment too', async (broker, another) => {
    const topic = await topicWith(broker, 1)
    const groupId = freshName('group')
    const assignor = {
      ...roundRobinAssignor,
      name: 'with-answers',
      assignedData: ({ members }: Parameters<typeof roundRobinAssignor.assign>[0]) => new Map(members.map(({ memberId }) => [memberId, new TextEncoder().encode(`you of ${members.length}`)])),
    }
    const first = await PollingMember.join(broker, { groupId, topics: [topic], assignors: [assignor] })
    const second = await PollingMember.join(another, { groupId, topics: [topic], assignors: [assignor] })
    await eventually(async () => expect([first, second].map(({ events }) => decode(events.at(-1)!.userData ?? null))).toEqual(['you of 2', 'you of 2']))
    expect(decode(first.events[0]!.userData ?? null)).toBe('you of 1')
    expect(first.events.filter(({ revoked, userData }) => revoked.length > 0 && userData !== undefined)).toEqual([])
    await Promise.all([first.leave(), second.leave()])
  })

  promises('a member that joins anew says what has changed, and the group divides its partitions again', async (broker, another) => {
    const topic = await topicWith(broker, 2)
    const groupId = freshName('group')
    const saying = (name: () => string) => ({
      ...roundRobinAssignor,
      name: 'in-order',
      userData: () => new TextEncoder().encode(name()),
      assign(input: Parameters<typeof roundRobinAssignor.assign>[0]) {
        const wanted = input.members.find(({ userData }) => decode(userData) === 'all to me') ?? input.members[0]!
        return new Map([[wanted.memberId, [0, 1].map((partition) => ({ topic, partition }))]])
      },
    })
    let word = 'nothing'
    const first = await PollingMember.join(broker, { groupId, topics: [topic], assignors: [saying(() => 'nothing')] })
    const second = await PollingMember.join(another, { groupId, topics: [topic], assignors: [saying(() => word)] })
    await eventually(async () => expect([...first.assigned, ...second.assigned].sort()).toEqual(partitionsOf(topic, 2)))
    for (const asks of [second, first]) {
      word = asks === second ? 'all to me' : 'nothing'
      asks.member.rejoin()
      const { generation } = asks.member
      await eventually(async () => expect(asks.member.generation).toBeGreaterThan(generation))
      if (asks === second) await eventually(async () => expect(second.assigned).toEqual(partitionsOf(topic, 2)))
    }
    await Promise.all([first.leave(), second.leave()])
  })

  promises('joining anew while the group divides its partitions is not forgotten', async (broker) => {
    const topic = await topicWith(broker, 1)
    const said: (string | null)[] = []
    let news = 'nothing'
    const polling = await PollingMember.join(broker, { groupId: freshName('group'), topics: [topic], assignors: [{
      ...roundRobinAssignor,
      name: 'listening',
      userData: () => new TextEncoder().encode(news),
      assign(input) {
        said.push(...input.members.map(({ userData }) => decode(userData)))
        if (said.length === 2) {
          news = 'something else'
          polling.member.rejoin()
        }
        return roundRobinAssignor.assign(input)
      },
    }] })
    await eventually(async () => expect(polling.assigned).toEqual(partitionsOf(topic, 1)))
    polling.member.rejoin()
    await eventually(async () => expect(said).toEqual(['nothing', 'nothing', 'something else']))
    await polling.leave()
  })

  promises('groups are listed, described and removed', async (broker) => {
    const topic = await topicWith(broker, 2)
    const groupId = freshName('group')
    const only = await PollingMember.join(broker, { groupId, topics: [topic], clientId: 'contract-client' })
    expect(await broker.groups.list()).toContain(groupId)
    await only.member.commit([{ topic, partition: 1, offset: 7 }])
    const description = await broker.groups.describe(groupId)
    expect(description).toMatchObject({ groupId, state: 'stable', assignor: 'range' })
    expect(description.members).toMatchObject([{ memberId: only.member.memberId, groupInstanceId: null, clientId: 'contract-client' }])
    expect(description.members[0]!.assignment).toHaveLength(2)
    expect(description.offsets).toEqual([{ topic, partition: 1, offset: 7, metadata: '' }])
    expect(await codeOf(broker.groups.remove([groupId]))).toBe('NON_EMPTY_GROUP')
    expect(await codeOf(broker.groups.removeOffsets(groupId, [{ topic, partition: 1 }]))).toBe('NON_EMPTY_GROUP')
    expect(await codeOf(broker.groups.setOffsets(groupId, [{ topic, partition: 0, offset: 1 }]))).toBe('NON_EMPTY_GROUP')
    await only.leave()
    await eventually(async () => expect((await broker.groups.describe(groupId)).state).toBe('empty'))
    await broker.groups.setOffsets(groupId, [{ topic, partition: 0, offset: 1 }])
    expect((await broker.groups.describe(groupId)).offsets.map(({ partition, offset }) => [partition, offset])).toEqual([[0, 1], [1, 7]])
    await broker.groups.removeOffsets(groupId, [{ topic, partition: 1 }])
    expect((await broker.groups.describe(groupId)).offsets.map(({ partition, offset }) => [partition, offset])).toEqual([[0, 1]])
    await broker.groups.remove([groupId])
    expect(await broker.groups.describe(groupId)).toMatchObject({ state: 'dead', members: [], offsets: [] })
    expect(await codeOf(broker.groups.remove([groupId]))).toBe('GROUP_ID_NOT_FOUND')
    expect(await codeOf(broker.groups.removeOffsets(groupId, [{ topic, partition: 1 }]))).toBe('GROUP_ID_NOT_FOUND')
  })

  promises('bad group options are refused', async (broker) => {
    const topic = await topicWith(broker, 1)
    expect(await codeOf(broker.joinGroup({ groupId: '', topics: [topic] }))).toBe('INVALID_GROUP_ID')
    expect(await codeOf(broker.joinGroup({ groupId: freshName('group'), topics: [topic], sessionTimeoutMs: 1 }))).toBe('INVALID_SESSION_TIMEOUT')
    expect(await codeOf(broker.joinGroup({ groupId: freshName('group'), topics: [topic], maxPollIntervalMs: 0 }))).toBe('INVALID_ARGUMENT')
    for (const offsetReset of ['smallest', { maxAgeMs: -1 }]) {
      expect(await codeOf(broker.joinGroup({ groupId: freshName('group'), topics: [topic], offsetReset: offsetReset as OffsetReset }))).toBe('INVALID_ARGUMENT')
    }
    const only = await PollingMember.join(broker, { groupId: freshName('group'), topics: [topic] })
    expect(await codeOf(only.member.commit([{ topic, partition: 0, offset: 0, metadata: 'x'.repeat(5_000) }]))).toBe('OFFSET_METADATA_TOO_LARGE')
    const { groupId } = only.member.metadata()
    expect(await codeOf(broker.joinGroup({ groupId, topics: [topic], assignors: [roundRobinAssignor] }))).toBe('INCONSISTENT_GROUP_PROTOCOL')
    await only.leave()
  })
}
