import { expect, it } from 'vitest'
import { runConsole } from '../../src/cli/run-console.ts'
import { openKafkaBroker } from '../../src/core/index.ts'
import { freshName, hasKafkaTools, runKafkaTool } from '../kit/kafka.ts'
import { MemoryTerminal } from '../kit/memory-terminal.ts'
import { describeWith } from '../kit/services.ts'

const toolTimeoutMs = 120_000

await describeWith('kafka', 'the console on a cluster', ({ bootstrapServers }) => {
  const itWithTools = it.skipIf(!hasKafkaTools())
  const millrace = async (args: string, input = '') => {
    const terminal = new MemoryTerminal(input)
    const code = await runConsole([...args.split(' '), '--kafka', bootstrapServers], terminal)
    return { code, output: terminal.output, errors: terminal.errors }
  }
  const succeed = async (args: string, input = '') => {
    const result = await millrace(args, input)
    expect(result, args).toMatchObject({ code: 0 })
    return result.output
  }
  const tool = (mainClass: string, ...options: string[]) => runKafkaTool(mainClass, ['--bootstrap-server', bootstrapServers, ...options])

  it('describes the cluster: its id, the active controller, the brokers and where they listen', async () => {
    const [head, columns, ...rows] = (await succeed('cluster describe')).trimEnd().split('\n')
    expect(head).toMatch(/^ClusterId: \S+\tController: \d+\tBrokers: \d+$/)
    expect(columns!.split(/\s+/)).toEqual(['NODE', 'ADDRESS', 'RACK'])
    expect(rows.flatMap((row) => row.split(/\s+/)[1])).toEqual(expect.arrayContaining([bootstrapServers.split(',')[0]]))
  })

  itWithTools('shows the id of the cluster and the controller as Kafka\'s own tools do', async () => {
    const [head] = (await succeed('cluster describe')).split('\n')
    const status = await tool('org.apache.kafka.tools.MetadataQuorumCommand', 'describe', '--status')
    const [, clusterId] = /ClusterId:\s+(\S+)/.exec(status)!
    const [, leaderId] = /LeaderId:\s+(\d+)/.exec(status)!
    expect(head).toContain(`ClusterId: ${clusterId}\tController: ${leaderId}\t`)
  }, toolTimeoutMs)

  itWithTools('shows leader, replicas, in-sync replicas and configs of a topic as kafka-topics does', async () => {
    const topic = freshName('console')
    await succeed(`topics --create --topic ${topic} --partitions 3 --config retention.ms=86400000`)
    const ours = (await succeed(`topics --describe --topic ${topic}`)).trimEnd().split('\n')
    const theirs = (await tool('org.apache.kafka.tools.TopicCommand', '--describe', '--topic', topic)).split('\n').filter((line) => line.includes(`Topic: ${topic}`))
    const fieldsOf = (line: string, names: readonly string[]) => names.map((name) => new RegExp(`${name}:\\s*([^\\t]*)`).exec(line)?.[1]?.trim())
    expect(fieldsOf(ours[0]!, ['PartitionCount', 'ReplicationFactor'])).toEqual(fieldsOf(theirs[0]!, ['PartitionCount', 'ReplicationFactor']))
    expect(theirs[0]).toContain('retention.ms=86400000')
    expect(ours[0]).toContain('retention.ms=86400000')
    const places = ['Partition', 'Leader', 'Replicas', 'Isr']
    expect(ours.slice(1).map((line) => fieldsOf(line, places))).toEqual(theirs.slice(1).map((line) => fieldsOf(line, places)))
  }, toolTimeoutMs)

  it('creates, alters and deletes topics, produces and consumes, and says what cannot be done', async () => {
    const topic = freshName('console')
    expect(await succeed(`topics --create --topic ${topic} --partitions 2`)).toBe(`Created topic ${topic}.\n`)
    expect(await millrace(`topics --create --topic ${topic}`)).toMatchObject({ code: 1, errors: expect.stringMatching(/^error: .*exists/) as string })
    expect(await succeed(`topics --list`)).toContain(`${topic}\n`)
    await succeed(`topics --alter --topic ${topic} --partitions 3 --config cleanup.policy=compact`)
    expect(await succeed(`topics --describe --topic ${topic}`)).toMatch(/PartitionCount: 3\t.*cleanup\.policy=compact/)
    await succeed(`produce --topic ${topic} --property parse.key=true --property key.separator=:`, 'a:1\nb:2\n')
    const lines = (await succeed(`consume --topic ${topic} --from-beginning --max-messages 2 --timeout-ms 20000 --property print.key=true --property key.separator=:`)).trimEnd().split('\n')
    expect(lines.sort()).toEqual(['a:1', 'b:2'])
    expect(await millrace(`topics --alter --topic ${topic} --config no.such.config=1`)).toMatchObject({ code: 1, errors: expect.stringContaining('no.such.config') as string })
    expect(await succeed(`topics --delete --topic ${topic}`)).toBe(`Deleted topic ${topic}.\n`)
    expect(await millrace(`topics --describe --topic ${topic}`)).toMatchObject({ code: 1, errors: expect.stringContaining(topic) as string })
  }, 60_000)

  it('describes a group, resets its offsets, and deletes it', async () => {
    const [topic, group] = [freshName('console'), freshName('console-group')]
    await succeed(`topics --create --topic ${topic}`)
    await succeed(`produce --topic ${topic}`, 'a\nb\nc\n')
    const consume = `consume --topic ${topic} --group ${group} --from-beginning --max-messages 3 --timeout-ms 20000`
    expect(await succeed(consume)).toBe('a\nb\nc\n')
    expect(await succeed(`groups --describe --group ${group}`)).toMatch(new RegExp(`\n${group} +${topic} +0 +3 +3 +0 +-`))
    expect(await succeed(`groups --reset-offsets --group ${group} --topic ${topic} --to-offset 1 --execute`)).toMatch(new RegExp(`${group} +${topic} +0 +1\n`))
    expect(await succeed(`consume --topic ${topic} --group ${group} --max-messages 2 --timeout-ms 20000`)).toBe('b\nc\n')
    await succeed(`groups --reset-offsets --group ${group} --topic ${topic} --to-earliest --execute`)
    expect(await succeed(consume)).toBe('a\nb\nc\n')
    expect(await succeed('groups --list')).toContain(`${group}\n`)
    await succeed(`groups --delete --group ${group}`)
    expect(await succeed('groups --list')).not.toContain(`${group}\n`)
  }, 60_000)

  it('sets and shows configs, prints offsets and sizes, and deletes records', async () => {
    const topic = freshName('console')
    await succeed(`topics --create --topic ${topic}`)
    await succeed(`produce --topic ${topic}`, 'a\nb\nc\n')
    await succeed(`configs --alter --topic ${topic} --add-config retention.ms=86400000,cleanup.policy=[compact,delete]`)
    expect(await succeed(`configs --describe --topic ${topic}`)).toBe(`Dynamic configs for topic ${topic} are:\n  cleanup.policy=compact,delete\n  retention.ms=86400000\n`)
    await succeed(`configs --alter --topic ${topic} --delete-config cleanup.policy`)
    expect(await succeed(`configs --describe --all --topic ${topic}`)).toMatch(/cleanup\.policy=delete \(default\)\n[\s\S]*retention\.ms=86400000\n/)
    expect(await succeed(`offsets --topic ${topic}`)).toBe(`${topic}:0:3\n`)
    expect(await succeed(`delete-records --topic ${topic} --partition 0 --before-offset 2`)).toBe(`partition: ${topic}-0\tlow_watermark: 2\n`)
    expect(await succeed(`offsets --topic ${topic} --time earliest`)).toBe(`${topic}:0:2\n`)
    expect(await succeed(`log-dirs --topic ${topic}`)).toMatch(new RegExp(`\n${topic} +0 +[1-9]\\d* +2 +3\n`))
  }, 60_000)

  itWithTools('shows the configs that a topic sets as kafka-topics does', async () => {
    const topic = freshName('console')
    await succeed(`topics --create --topic ${topic} --config retention.ms=86400000 --config max.message.bytes=2000000`)
    const theirs = (await tool('org.apache.kafka.tools.TopicCommand', '--describe', '--topic', topic)).split('\n').find((line) => line.startsWith('Topic:'))!
    const pairs = /Configs: (\S*)/.exec(theirs)![1]!.split(',')
    const ours = (await succeed(`configs --describe --topic ${topic}`)).trimEnd().split('\n').slice(1).map((line) => line.trim())
    expect(pairs).toEqual(expect.arrayContaining(['retention.ms=86400000', 'max.message.bytes=2000000']))
    expect(pairs).toEqual(expect.arrayContaining(ours))
  }, toolTimeoutMs)

  it('resets no offsets of a group that has members', async () => {
    const [topic, group] = [freshName('console'), freshName('console-group')]
    await succeed(`topics --create --topic ${topic}`)
    const broker = await openKafkaBroker({ brokers: bootstrapServers.split(',') })
    await broker.joinGroup({ groupId: group, topics: [topic] })
    const refused = await millrace(`groups --reset-offsets --group ${group} --topic ${topic} --to-earliest --execute`)
    await broker.close()
    expect(refused).toMatchObject({ code: 1, errors: expect.stringMatching(/members/) as string })
  }, 60_000)
})
