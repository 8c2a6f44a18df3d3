/**
 * A real Kafka Connect worker and ours, with the same connectors on the same Kafka: they write the same. Then the real one is killed, and ours goes on
 * with its topics, connectors and positions, without a gap, and without a repeat where the source is exactly once.
 */
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openDistributedWorker } from '../../src/connect/index.ts'
import { openKafkaBroker, sleep, systemClock } from '../../src/core/index.ts'
import { afterTest, memoryLog, readTopic, temporaryDirectory } from '../connect/runtime/connect-kit.ts'
import { startKafkaConnect } from '../kit/kafka-connect.ts'
import { freshName, hasKafkaTools } from '../kit/kafka.ts'
import { scriptedPlugins } from '../kit/scripted-connectors.ts'
import type { KafkaAddress } from '../kit/kafka.ts'

const hasCompiler = hasKafkaTools() && spawnSync('javac', ['-version'], { stdio: 'ignore' }).error === undefined
const patienceMs = 120_000
/** After it the group takes whoever was killed for gone. */
const sessionMs = '6000'

async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const deadline = systemClock.monotonic() + patienceMs; !await isSo(); await sleep(systemClock, 100)) {
    if (systemClock.monotonic() > deadline) throw new Error(`never happened: ${what}`)
  }
}

async function put(url: string, path: string, body: unknown): Promise<void> {
  const answer = await fetch(`${url}${path}`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(`PUT ${path}: ${answer.status} ${await answer.text()}`)
}

/** A test of a `describe` with three brokers. */
export function takeOverConnect(cluster: () => KafkaAddress): void {
  it.skipIf(!hasCompiler)('writes what ours writes, and is taken over when its worker is killed: its connectors go on behind their last records', async () => {
    const { bootstrapServers } = cluster()
    const [group, directory] = [freshName('taken-over'), temporaryDirectory()]
    const [counted, file] = [`${group}-counted`, join(directory, 'in.txt')]
    const broker = await openKafkaBroker({ brokers: bootstrapServers.split(',') })
    afterTest(() => broker.close())
    const settings = (name: string) => ({
      'group.id': name, 'exactly.once.source.support': 'enabled', 'config.storage.topic': `${name}-configs`, 'offset.storage.topic': `${name}-offsets`, 'status.storage.topic': `${name}-status`,
      ...Object.fromEntries(['config', 'offset', 'status'].map((topic) => [`${topic}.storage.replication.factor`, '3'])),
      'session.timeout.ms': sessionMs, 'heartbeat.interval.ms': '500', 'consumer.session.timeout.ms': sessionMs, 'offset.flush.interval.ms': '500',
    })
    const creation = { 'topic.creation.default.partitions': '1', 'topic.creation.default.replication.factor': '3' }
    const polls = (count: number) => ({ polls: Array.from({ length: count }, (_, index) => ({ records: [{ topic: counted, value: String(index) }] })) })
    const count = (last: number) => ({ 'connector.class': 'Scripted$Source', 'calls': join(directory, 'calls'), 'script': JSON.stringify(polls(last)), ...creation })
    const read = (topic: string) => ({ 'connector.class': 'org.apache.kafka.connect.file.FileStreamSourceConnector', file, topic, ...creation })
    const write = (topic: string, to: string) => ({ 'connector.class': 'org.apache.kafka.connect.file.FileStreamSinkConnector', 'topics': topic, 'file': join(directory, to) })
    const openOurs = async (name: string) => {
      const worker = await openDistributedWorker({
        broker, log: memoryLog(), plugins: scriptedPlugins,
        config: { ...settings(name), 'listeners': 'http://127.0.0.1:0', 'task.host': 'in-process', 'key.converter': 'StringConverter', 'value.converter': 'StringConverter' },
      })
      afterTest(() => worker.stop())
      await until(() => worker.isReady(), `our worker leads ${name}`)
      return worker
    }
    const recordsOf = async (topic: string) => ((await broker.topics.list()).includes(topic) ? readTopic(broker, topic) : [])
    const values = async (topic: string) => (await recordsOf(topic)).map(({ value }) => value)
    /** Cheap to ask for again and again; markers of transactions count, too. */
    const endOf = async (topic: string) => (await broker.topics.listOffsets([{ topic, partition: 0, at: 'latest' }], { isolation: 'read-committed' }))[0]!.offset
    const upTo = (last: number) => Array.from({ length: last }, (_, index) => String(index))
    const lines = (to: string) => (existsSync(join(directory, to)) ? readFileSync(join(directory, to), 'utf8').split('\n').slice(0, -1) : [])
    const lastPosition = async (name: string) => (await recordsOf(`${name}-offsets`)).filter(({ key }) => key!.startsWith('["read",')).at(-1)

    writeFileSync(file, `${upTo(1000).join('\n')}\n`)
    const [theirTopic, ourTopic] = [`${group}-lines`, `${group}-our-lines`]
    const theirs = await startKafkaConnect({ bootstrapServers, config: settings(group), withFileConnectors: true })
    afterTest(() => theirs.stop('SIGKILL'))
    await put(theirs.url, '/connectors/count/config', count(10))
    await put(theirs.url, '/connectors/read/config', read(theirTopic))
    await put(theirs.url, '/connectors/write/config', write(theirTopic, 'theirs.txt'))
    const ours = await openOurs(`${group}-ours`)
    await put(ours.url, '/connectors/read/config', read(ourTopic))
    await put(ours.url, '/connectors/write/config', { ...write(ourTopic, 'ours.txt'), 'consumer.override.group.id': `${group}-our-sink` })
    await until(async () => (await values(counted)).length === 10, 'the real worker has written ten records')
    for (const to of ['theirs.txt', 'ours.txt']) await until(() => lines(to).length === 1000, `every line is in ${to}`)
    await until(async () => (await lastPosition(group))?.value === (await lastPosition(`${group}-ours`))?.value, 'both have the same position')
    const withoutPlace = async (topic: string) => (await recordsOf(topic)).map(({ key, value, headers }) => ({ key, value, headers }))
    expect(await withoutPlace(ourTopic)).toEqual(await withoutPlace(theirTopic))
    expect(readFileSync(join(directory, 'ours.txt'))).toEqual(readFileSync(join(directory, 'theirs.txt')))
    const { key, value, headers } = (await lastPosition(group))!
    expect(await lastPosition(`${group}-ours`)).toMatchObject({ key, value, headers })
    await ours.stop()

    appendFileSync(file, `${upTo(20_000).slice(1000).join('\n')}\n`)
    const before = await endOf(theirTopic)
    await until(async () => await endOf(theirTopic) > before, 'it is in the middle of it')
    await theirs.stop('SIGKILL')
    const heir = await openOurs(group)
    await put(heir.url, '/connectors/count/config', count(20))
    await until(async () => await endOf(counted) >= 20 && await endOf(theirTopic) >= 20_000 && (await values(counted)).length >= 20 && (await values(theirTopic)).length >= 20_000, 'everything is there')
    expect(await values(counted)).toEqual(upTo(20))
    expect(await values(theirTopic)).toEqual(upTo(20_000))
    // a sink's lines may come again after a kill, and the last of the dead may be torn
    await until(() => lines('theirs.txt').at(-1) === '19999', 'the sink has written the last line')
    const written = new Set(lines('theirs.txt'))
    expect(upTo(20_000).filter((line) => !written.has(line))).toEqual([])
  }, 500_000)
}
