/** A real Kafka Connect worker is stopped, and ours goes on with its topics, connectors and positions: on the real Kafka, without a gap or a repeat. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openDistributedWorker } from '../../src/connect/index.ts'
import { openKafkaBroker, sleep, systemClock } from '../../src/core/index.ts'
import { afterTest, memoryLog, readTopic, temporaryDirectory } from '../connect/runtime/connect-kit.ts'
import { startKafkaConnect } from '../kit/kafka-connect.ts'
import { freshName, hasKafkaTools } from '../kit/kafka.ts'
import { scriptedPlugins } from '../kit/scripted-connectors.ts'
import { describeWith } from '../kit/services.ts'

const hasCompiler = hasKafkaTools() && spawnSync('javac', ['-version'], { stdio: 'ignore' }).error === undefined
const patienceMs = 120_000

async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  for (const deadline = systemClock.monotonic() + patienceMs; !await isSo(); await sleep(systemClock, 100)) {
    if (systemClock.monotonic() > deadline) throw new Error(`never happened: ${what}`)
  }
}

async function put(url: string, path: string, body: unknown): Promise<void> {
  const answer = await fetch(`${url}${path}`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(`PUT ${path}: ${answer.status} ${await answer.text()}`)
}

await describeWith('kafka', 'the topics of a live Kafka Connect cluster', ({ bootstrapServers }) => {
  it.skipIf(!hasCompiler)('are taken over: its connector goes on behind its last record', async () => {
    const [cluster, topic, calls] = [freshName('taken-over'), freshName('counted'), join(temporaryDirectory(), 'calls')]
    const broker = await openKafkaBroker({ brokers: bootstrapServers.split(',') })
    afterTest(() => broker.close())
    const shared = {
      'group.id': cluster, 'exactly.once.source.support': 'enabled', 'config.storage.topic': `${cluster}-configs`, 'offset.storage.topic': `${cluster}-offsets`, 'status.storage.topic': `${cluster}-status`,
    }
    const polls = (count: number) => ({ polls: Array.from({ length: count }, (_, index) => ({ records: [{ topic, value: String(index) }] })) })
    const config = (count: number) => ({ 'connector.class': 'Scripted$Source', calls, 'script': JSON.stringify(polls(count)), 'topic.creation.default.partitions': '1', 'topic.creation.default.replication.factor': '1' })
    const values = async () => ((await broker.topics.list()).includes(topic) ? (await readTopic(broker, topic)).map(({ value }) => value) : [])
    const upTo = (count: number) => Array.from({ length: count }, (_, index) => String(index))

    const theirs = await startKafkaConnect({ bootstrapServers, config: shared })
    try {
      await put(theirs.url, '/connectors/count/config', config(10))
      await until(async () => (await values()).length === 10, 'the real worker has written ten records')
    } finally {
      await theirs.stop()
    }

    const ours = await openDistributedWorker({
      broker, log: memoryLog(), plugins: scriptedPlugins,
      config: { ...shared, 'listeners': 'http://127.0.0.1:0', 'task.host': 'in-process', 'key.converter': 'StringConverter', 'value.converter': 'StringConverter' },
    })
    afterTest(() => ours.stop())
    const isRunning = async () => ((await (await fetch(`${ours.url}/connectors/count/status`)).json()) as { readonly tasks?: readonly { readonly state: string }[] }).tasks?.[0]?.state === 'RUNNING'
    await until(async () => ours.isReady() && await isRunning(), 'its connector and task run here')
    await put(ours.url, '/connectors/count/config', config(20))
    await until(async () => (await values()).length >= 20, 'ten more records are there')
    expect(await values()).toEqual(upTo(20))
  }, 500_000)
})
