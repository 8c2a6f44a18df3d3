import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openDistributedWorker } from '../../src/connect/index.ts'
import { vectorsDirectory } from '../kit/vectors.ts'
import { afterTest, memoryLog, openBroker, readTopic, temporaryDirectory, until } from '../connect/runtime/connect-kit.ts'

interface TextRecord {
  readonly key: string
  readonly value: string | null
}

type Topics = Readonly<Record<'connect-configs' | 'connect-offsets' | 'connect-status', readonly TextRecord[]>>

/** Records as they stood in the topics of a real cluster of Kafka Connect 4.3.1 (test/vectors/connect/FORMAT.md). */
const recorded = JSON.parse(readFileSync(join(vectorsDirectory, 'connect/rest/internal-topics.json'), 'utf8')) as Topics

it('takes over the topics of a real Kafka Connect cluster: its connectors, states and positions, without a repeat', async () => {
  const broker = await openBroker()
  const data = temporaryDirectory()
  const name = 'taken-over'
  const filled = (text: string | null) => (text === null || text === 'null' ? null : text.replaceAll('${data}', data).replaceAll('pad', name))
  // one of its connectors that it left running, with its place in the file, among all that the cluster had been through
  const [configs, offsets] = [recorded['connect-configs'], recorded['connect-offsets'].filter(({ key }) => !key.includes('"pad"'))]
  const task = configs.find(({ key }) => key === 'task-init-running-0')!.value!
  const own: readonly TextRecord[] = [
    { key: 'connector-pad', value: configs.find(({ key }) => key === 'connector-init-running')!.value!.replaceAll('init-running', 'pad').replaceAll('"ti"', '"taken"') },
    { key: 'task-pad-0', value: task.replaceAll('init-running', 'pad').replaceAll('"ti"', '"taken"') },
    { key: 'commit-pad', value: '{"tasks":1}' },
  ]
  const producer = await broker.openProducer()
  const fill = async (topic: string, records: readonly TextRecord[], partitions: number) => {
    await broker.topics.create([{ topic, partitions, configs: { 'cleanup.policy': 'compact' } }])
    for (const { key, value } of records) await producer.append({ topic, key: Buffer.from(filled(key)!), value: value === null || value === 'null' ? null : Buffer.from(filled(value)!) })
  }
  await fill('connect-configs', [...configs, ...own], 1)
  await fill('connect-status', recorded['connect-status'], 5)
  await fill('connect-offsets', [...offsets, { key: '["pad",{"filename":"${data}/a.txt"}]', value: '{"position":8}' }], 25)
  await producer.close()
  writeFileSync(join(data, 'a.txt'), 'one\ntwo\nthree\n')

  const worker = await openDistributedWorker({
    broker, log: memoryLog(), config: { 'listeners': 'http://127.0.0.1:0', 'task.host': 'in-process', 'heartbeat.interval.ms': '100', 'offset.flush.interval.ms': '50', 'key.converter': 'StringConverter', 'value.converter': 'StringConverter' },
  })
  afterTest(() => worker.stop())
  const names = async () => (await (await fetch(`${worker.url}/connectors`)).json()) as readonly string[]
  await until(async () => (await names()).includes(name), 'its connector is here')
  await until(async () => (await broker.topics.list()).includes('taken') && (await readTopic(broker, 'taken')).length > 0, 'it goes on')
  expect((await readTopic(broker, 'taken')).map(({ value }) => value)).toEqual(['three'])
  await until(async () => (await readTopic(broker, 'connect-offsets')).some(({ key, value }) => key!.includes(name) && value === '{"position":14}'), 'its position moves on under the same key')
  const status = (await (await fetch(`${worker.url}/connectors/${name}/status`)).json()) as { readonly tasks: readonly unknown[] }
  expect(status).toMatchObject({ connector: { state: 'RUNNING' }, tasks: [{ id: 0, state: 'RUNNING' }], type: 'source' })
})
