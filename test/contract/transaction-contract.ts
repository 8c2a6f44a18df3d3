import { expect } from 'vitest'
import type { Broker } from '../../src/core/index.ts'
import { PollingMember, appendAll, batchOf, codeOf, createTopic, eventually, expectCommitted, freshName, readValues, recordOf, visibleValues } from './contract-kit.ts'
import type { Promises } from './broker-suite.ts'

async function twoPartitions(broker: Broker) {
  const topic = await createTopic(broker, { partitions: 2 })
  return [{ topic, partition: 0 }, { topic, partition: 1 }] as const
}

export function transactionContract(promises: Promises): void {
  promises('a committed transaction appears in all its partitions, an aborted one in none', async (broker) => {
    const [one, two] = await twoPartitions(broker)
    const producer = await broker.openProducer({ transactionalId: freshName('tx') })
    producer.begin()
    await Promise.all([producer.append(recordOf(one, 'dropped')), producer.append(recordOf(two, 'dropped'))])
    await producer.abort()
    producer.begin()
    await Promise.all([producer.append(recordOf(one, 'kept')), producer.appendBatch(two, batchOf(['kept', 'too']))])
    await producer.commit()
    expect(await readValues(broker, one, { count: 1 })).toEqual(['kept'])
    expect(await readValues(broker, two, { count: 2 })).toEqual(['kept', 'too'])
    expect(await visibleValues(broker, one, 'read-uncommitted')).toEqual(['dropped', 'kept'])
    await producer.close()
  })

  promises('an open transaction is hidden from read-committed, and holds back what comes after it', async (broker) => {
    const [one] = await twoPartitions(broker)
    const producer = await broker.openProducer({ transactionalId: freshName('tx') })
    const plain = await broker.openProducer()
    await plain.append(recordOf(one, 'before'))
    producer.begin()
    await producer.append(recordOf(one, 'open'))
    await plain.append(recordOf(one, 'after'))
    expect(await visibleValues(broker, one, 'read-committed')).toEqual(['before'])
    expect(await visibleValues(broker, one, 'read-uncommitted')).toEqual(['before', 'open', 'after'])
    const stable = await broker.topics.listOffsets([{ ...one, at: 'latest' }], { isolation: 'read-committed' })
    const end = await broker.topics.listOffsets([{ ...one, at: 'latest' }], { isolation: 'read-uncommitted' })
    const unsaid = await broker.topics.listOffsets([{ ...one, at: 'latest' }])
    expect([stable[0]!.offset, end[0]!.offset, unsaid[0]!.offset], 'read-committed, read-uncommitted, and the default').toEqual([1, 3, 3])
    await producer.commit()
    expect(await readValues(broker, one, { count: 3 })).toEqual(['before', 'open', 'after'])
    await Promise.all([producer.close(), plain.close()])
  })

  promises('a reader that waits is woken by the commit', async (broker) => {
    const [one] = await twoPartitions(broker)
    const producer = await broker.openProducer({ transactionalId: freshName('tx') })
    producer.begin()
    await producer.append(recordOf(one, 'a'))
    const reading = readValues(broker, one, { count: 1 })
    await producer.commit()
    expect(await reading).toEqual(['a'])
    await producer.close()
  })

  promises('offsets are committed with the records, or not at all', async (broker) => {
    const [input, output] = await twoPartitions(broker)
    const groupId = freshName('group')
    const member = await PollingMember.join(broker, { groupId, topics: [input.topic] })
    const group = member.member.metadata()
    const producer = await broker.openProducer({ transactionalId: freshName('tx') })
    producer.begin()
    await producer.append(recordOf(output, 'one'))
    await producer.commit({ group, offsets: [{ ...input, offset: 3, metadata: 'm' }] })
    expect(await member.member.committed([input])).toEqual([{ ...input, offset: 3, metadata: 'm' }])
    producer.begin()
    await producer.append(recordOf(output, 'two'))
    await producer.abort()
    expect(await member.member.committed([input])).toEqual([{ ...input, offset: 3, metadata: 'm' }])
    producer.begin()
    await producer.commit({ group, offsets: [{ ...input, offset: 9 }] })
    expect((await member.member.committed([input]))[0]).toMatchObject({ offset: 9 })
    await expectCommitted(broker, output, ['one'])
    await Promise.all([member.leave(), producer.close()])
  })

  promises('a commit that is going on ends the transaction, whatever is called meanwhile: when it resolves all of it is visible, and else nothing', async (broker) => {
    const [input, output] = await twoPartitions(broker)
    const groupId = freshName('group')
    const meanwhile = { commit: 'INVALID_TXN_STATE', abort: 'INVALID_TXN_STATE', append: 'INVALID_TXN_STATE', close: null } as const
    const expected: string[] = []
    for (const [call, code] of Object.entries(meanwhile)) {
      for (const turns of [0, 1, 3, 10]) {
        const producer = await broker.openProducer({ transactionalId: freshName('tx') })
        producer.begin()
        const values = [`${call} ${turns} a`, `${call} ${turns} b`]
        for (const value of values) producer.append(recordOf(output, value)).catch(() => undefined)
        const offset = expected.length + 1
        const committing = producer.commit({ group: { groupId, generation: -1, memberId: '', groupInstanceId: null }, offsets: [{ ...input, offset }] }).then(() => true, () => false)
        for (let turn = 0; turn < turns; turn++) await Promise.resolve()
        const calls = { commit: () => producer.commit(), abort: () => producer.abort(), append: () => producer.append(recordOf(output, 'late')), close: () => producer.close() }
        const refused = await calls[call as keyof typeof calls]().then(() => null, (error: { readonly code: string }) => error.code)
        expect(refused, `${call}() after ${turns} turns`).toBe(code)
        const isCommitted = await committing
        if (isCommitted) expected.push(...values)
        expect(isCommitted, `commit(), with ${call}() after ${turns} turns`).toBe(true)
        // A cluster tells of a group's first offset when the marker has come to its partition, which the commit does not wait for.
        await eventually(async () => expect((await broker.groups.describe(groupId)).offsets).toMatchObject([{ ...input, offset }]))
        await producer.close()
      }
    }
    await expectCommitted(broker, output, expected)
  })

  promises('a new producer with the same transactional id fences the old one and aborts what it left', async (broker, another) => {
    const [one] = await twoPartitions(broker)
    const transactionalId = freshName('tx')
    const old = await broker.openProducer({ transactionalId })
    old.begin()
    await old.append(recordOf(one, 'left'))
    const next = await another.openProducer({ transactionalId })
    const fencedCodes = ['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH']
    expect(fencedCodes).toContain(await codeOf(old.append(recordOf(one, 'zombie'))))
    expect(fencedCodes).toContain(await codeOf(old.commit()))
    next.begin()
    await next.append(recordOf(one, 'new'))
    await next.commit()
    expect(await readValues(broker, one, { count: 1 })).toEqual(['new'])
    await expectCommitted(broker, one, ['new'])
    await Promise.all([old.close(), next.close()])
  })

  promises('a producer that is at work without pause is fenced by its successor, in whatever step it is', async (broker, another) => {
    const [one] = await twoPartitions(broker)
    for (let round = 0; round < 5; round++) {
      const transactionalId = freshName('tx')
      const old = await broker.openProducer({ transactionalId })
      let commits = 0
      const works = (async () => {
        for (;;) {
          old.begin()
          await old.append(recordOf(one, `old ${round}`))
          await old.commit()
          commits++
        }
      })()
      const outcome = codeOf(works)
      while (commits <= round) await Promise.race([works, new Promise((resolve) => { setImmediate(resolve) })])
      const next = await another.openProducer({ transactionalId })
      const commitsBefore = commits
      next.begin()
      await next.append(recordOf(one, `new ${round}`))
      await next.commit()
      expect(['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH']).toContain(await outcome)
      // The answer to its last commit may have been on its way.
      expect(commits).toBeLessThanOrEqual(commitsBefore + 1)
      await Promise.all([old.close(), next.close()])
    }
  })

  promises('a transaction that takes too long is aborted and its producer fenced', async (broker) => {
    const [one] = await twoPartitions(broker)
    const producer = await broker.openProducer({ transactionalId: freshName('tx'), transactionTimeoutMs: 500 })
    const plain = await broker.openProducer()
    producer.begin()
    await producer.append(recordOf(one, 'late'))
    await plain.append(recordOf(one, 'next'))
    expect(await readValues(broker, one, { count: 1 })).toEqual(['next'])
    expect(['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH']).toContain(await codeOf(producer.commit()))
    await Promise.all([producer.close(), plain.close()])
  })

  promises('a closed producer leaves nothing open', async (broker) => {
    const [one] = await twoPartitions(broker)
    const producer = await broker.openProducer({ transactionalId: freshName('tx') })
    const plain = await broker.openProducer()
    producer.begin()
    await producer.append(recordOf(one, 'open'))
    await producer.close()
    await plain.append(recordOf(one, 'next'))
    expect(await readValues(broker, one, { count: 1 })).toEqual(['next'])
    await plain.close()
  })

  promises('a transaction with a failed append can only be aborted', async (broker) => {
    const topic = await createTopic(broker, { configs: { 'max.message.bytes': '2000' } })
    const target = { topic, partition: 0 }
    const producer = await broker.openProducer({ transactionalId: freshName('tx') })
    producer.begin()
    await producer.append(recordOf(target, 'fits'))
    expect(await codeOf(producer.append({ ...target, value: new Uint8Array(3_000) }))).toBe('RECORD_TOO_LARGE')
    expect(await codeOf(producer.commit())).toBe('RECORD_TOO_LARGE')
    expect(await codeOf(producer.commit())).toBe('RECORD_TOO_LARGE')
    await producer.abort()
    producer.begin()
    await producer.append(recordOf(target, 'next'))
    await producer.commit()
    await expectCommitted(broker, target, ['next'])
    await producer.close()
  })

  promises('calls out of order are refused', async (broker) => {
    const [one] = await twoPartitions(broker)
    const plain = await broker.openProducer()
    expect(await codeOf(() => plain.begin())).toBe('INVALID_TXN_STATE')
    expect(await codeOf(plain.commit())).toBe('INVALID_TXN_STATE')
    await plain.abort()
    const producer = await broker.openProducer({ transactionalId: freshName('tx') })
    expect(await codeOf(producer.append(recordOf(one, 'outside')))).toBe('INVALID_TXN_STATE')
    expect(await codeOf(producer.commit())).toBe('INVALID_TXN_STATE')
    producer.begin()
    expect(await codeOf(() => producer.begin())).toBe('INVALID_TXN_STATE')
    await producer.commit()
    producer.begin()
    await producer.abort()
    await producer.abort()
    expect(await codeOf(broker.openProducer({ transactionalId: freshName('tx'), transactionTimeoutMs: 0 }))).toBe('INVALID_TRANSACTION_TIMEOUT')
    expect(await codeOf(broker.openProducer({ transactionalId: freshName('tx'), transactionTimeoutMs: 86_400_000 }))).toBe('INVALID_TRANSACTION_TIMEOUT')
    await Promise.all([plain.close(), producer.close()])
  })

  promises('many transactions one after the other all arrive, in order', async (broker) => {
    const [one, two] = await twoPartitions(broker)
    const producer = await broker.openProducer({ transactionalId: freshName('tx') })
    const kept: string[] = []
    for (let round = 0; round < 20; round++) {
      producer.begin()
      await appendAll(producer, one, [`${round}a`, `${round}b`])
      await appendAll(producer, two, [`${round}a`, `${round}b`])
      if (round % 3 === 0) await producer.abort()
      else {
        await producer.commit()
        kept.push(`${round}a`, `${round}b`)
      }
    }
    await expectCommitted(broker, one, kept)
    await expectCommitted(broker, two, kept)
    await producer.close()
  })
}
