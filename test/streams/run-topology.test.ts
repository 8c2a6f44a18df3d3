import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../src/core/index.ts'
import { runTopology } from '../../src/streams/run-topology.ts'
import { StreamsBuilder } from '../../src/streams/streams-builder.ts'
import { topic } from '../../src/streams/topic.ts'
import { createTopics, openMemoryBroker, readAll, write } from '../kit/streams-harness.ts'

const text = { key: stringSerde, value: stringSerde }

function copy(onValue: (value: string) => void) {
  const builder = new StreamsBuilder()
  builder.stream(topic('in', text)).peek(onValue).to(topic('out', text))
  return builder.build()
}

describe('runTopology', () => {
  it('runs until the signal fires, and commits what it has done', async () => {
    const broker = await openMemoryBroker()
    await createTopics(broker, { in: 1, out: 1 })
    await write(broker, 'in', [{ value: 'a' }])
    const stop = new AbortController()
    const states: string[] = []
    await runTopology(copy(() => stop.abort()), { applicationId: 'app', broker, signal: stop.signal, commitInterval: '1h', onStateChange: (state) => states.push(state) })
    expect((await readAll(broker, 'out')).map((record) => record.value)).toEqual(['a'])
    expect(states.at(-1)).toBe('NOT_RUNNING')
    await broker.close()
  })

  it('ends when the signal fires while it starts', async () => {
    const broker = await openMemoryBroker()
    await createTopics(broker, { in: 1, out: 1 })
    const stop = new AbortController()
    const states: string[] = []
    const ran = runTopology(copy(() => {}), { applicationId: 'app', broker, signal: stop.signal, onStateChange: (state) => states.push(state) })
    stop.abort()
    await ran
    expect(states).toEqual(['REBALANCING', 'PENDING_SHUTDOWN', 'NOT_RUNNING'])
    await broker.close()
  })

  it('rejects with the failure that ended the run', async () => {
    const broker = await openMemoryBroker()
    await createTopics(broker, { in: 1, out: 1 })
    await write(broker, 'in', [{ value: 'a' }])
    const fail = () => { throw new Error('no') }
    await expect(runTopology(copy(fail), { applicationId: 'app', broker })).rejects.toMatchObject({ code: 'PROCESSING_FAILED' })
    await broker.close()
  })

  it('says what a module must export', async () => {
    const broker = await openMemoryBroker()
    await expect(runTopology({}, { applicationId: 'app', broker })).rejects.toThrow('export default builder.build()')
    await broker.close()
  })
})
