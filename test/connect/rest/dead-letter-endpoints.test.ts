import { expect, it } from 'vitest'
import { ConnectWorker, openRestApi } from '../../../src/connect/index.ts'
import { afterTest, KeepingSink, memoryLog, openBroker, readTopic, until } from '../runtime/connect-kit.ts'

it('shows dead letters over REST, and puts each back once', async () => {
  const [broker, sink] = [await openBroker(), new KeepingSink()]
  await broker.topics.create([{ topic: 'in' }])
  const producer = await broker.openProducer()
  for (const value of ['1', 'no json', '2', 'nor this']) await producer.append({ topic: 'in', key: null, value: Buffer.from(value) })
  await producer.close()
  const worker = ConnectWorker.open({ broker, log: memoryLog(), plugins: [sink.plugin], config: { 'task.host': 'in-process', 'listeners': 'http://127.0.0.1:0', 'offset.flush.interval.ms': '20' } })
  afterTest(() => worker.stop())
  const api = await openRestApi({ herder: worker.herder, parts: worker.parts, isReady: () => true })
  afterTest(() => api.close())
  const ask = async (path: string, body?: unknown) => {
    const answer = await fetch(`${api.url}${path}`, body === undefined ? {} : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
    return { status: answer.status, body: (await answer.json()) as { readonly records: readonly unknown[] } }
  }
  const config = { 'connector.class': 'KeepingSink', 'topics': 'in', 'errors.tolerance': 'all', 'errors.deadletterqueue.topic.name': 'dead', 'errors.deadletterqueue.context.headers.enable': 'true' }
  await worker.start({ name: 'keep', config })
  await worker.start({ name: 'plain', config: { 'connector.class': 'KeepingSink', 'topics': 'other' } })
  await until(async () => (await broker.topics.list()).includes('dead') && (await readTopic(broker, 'dead')).length === 2, 'two letters are there')
  expect((await ask('/connectors/keep/dlq')).body).toMatchObject({
    topic: 'dead', records: [
      { offset: 0, redriven: false, origin: { topic: 'in', partition: 0, offset: 1 }, error: 'INVALID_DATA', value: 'no json', headers: { '__connect.errors.stage': 'VALUE_CONVERTER' } },
      { offset: 1, value: 'nor this' },
    ],
  })
  expect((await ask('/connectors/keep/dlq?limit=1')).body.records).toHaveLength(1)
  expect((await ask('/connectors/keep/dlq?error=no-such')).body.records).toEqual([])
  await worker.remove('keep')
  expect((await ask('/connectors/keep/dlq')).status).toBe(404)
  await worker.start({ name: 'keep', config: { ...config, 'value.converter': 'StringConverter' } })
  expect((await ask('/connectors/keep/dlq/redrive', { dry_run: true })).body).toEqual({ topic: 'dead', would_redrive: 2 })
  expect((await ask('/connectors/keep/dlq/redrive', {})).body).toEqual({ topic: 'dead', redriven: 2 })
  expect((await ask('/connectors/keep/dlq/redrive', {})).body).toEqual({ topic: 'dead', redriven: 0 })
  await until(() => sink.values.includes('no json') && sink.values.includes('nor this'), 'they come again')
  expect((await ask('/connectors/keep/dlq?redriven=true')).body.records).toHaveLength(2)
  expect((await ask('/connectors/plain/dlq')).status).toBe(404)
})
