import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runConsole } from '../../src/cli/run-console.ts'
import { MemoryTerminal } from '../kit/memory-terminal.ts'

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-console-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function millrace(args: string, input?: string | Uint8Array) {
  const terminal = new MemoryTerminal(input)
  const code = await runConsole([...args.split(' '), ...(args.includes('--data') ? [] : ['--data', directory])], terminal)
  return { code, output: terminal.output, errors: terminal.errors }
}

async function succeed(args: string, input?: string | Uint8Array): Promise<string> {
  const result = await millrace(args, input)
  expect(result, args).toMatchObject({ code: 0 })
  return result.output
}

async function fail(args: string, input?: string): Promise<string> {
  const result = await millrace(args, input)
  expect(result, args).toMatchObject({ code: 1, output: '' })
  return result.errors
}

describe('millrace cluster', () => {
  it('describes a directory as a cluster of one broker, which listens nowhere', async () => {
    await succeed('topics --create --topic hits')
    expect(await succeed('cluster describe')).toBe('ClusterId: -\tController: 0\tBrokers: 1\nNODE  ADDRESS  RACK\n0     -        -\n')
  })
})

describe('millrace topics', () => {
  it('creates, lists, describes, alters and deletes a topic', async () => {
    expect(await succeed('topics --create --topic hits --partitions 2 --config retention.ms=1000')).toBe('Created topic hits.\n')
    expect(await succeed('topics --list --exclude-internal')).toBe('hits\n')
    await succeed('produce --topic hits --property parse.key=true --property key.separator=:', 'a:1\nb:2\nc:3\n')
    const [head, ...rows] = (await succeed('topics --describe --topic hits')).trimEnd().split('\n')
    expect(head).toBe('Topic: hits\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: retention.ms=1000')
    expect(rows.map((row) => /^\tTopic: hits\tPartition: (\d)\tLeader: 0\tReplicas: 0\tIsr: 0\tLogStartOffset: 0\tHighWatermark: \d$/.exec(row)?.[1])).toEqual(['0', '1'])
    expect(rows.map((row) => Number(row.at(-1))).reduce((sum, end) => sum + end)).toBe(3)

    expect(await succeed('topics --alter --topic hits --partitions 3 --config cleanup.policy=compact --delete-config retention.ms')).toBe('Altered topic hits.\n')
    expect(await succeed('topics --describe --topic hits')).toMatch(/^Topic: hits\tPartitionCount: 3\tReplicationFactor: 1\tConfigs: cleanup\.policy=compact\n/)
    expect(await succeed('topics --delete --topic hits')).toBe('Deleted topic hits.\n')
    expect(await succeed('topics --list --exclude-internal')).toBe('')
  })

  it('tells in one line what cannot be done', async () => {
    await succeed('topics --create --topic hits')
    expect(await fail('topics --create --topic hits')).toMatch(/^error: .*hits.*exists.*\n$/)
    expect(await fail('topics --describe --topic other')).toMatch(/^error: .*other.*\n$/)
    expect(await fail('topics --create --topic other --config retention.msec=5')).toMatch(/^error: .*retention\.msec.*retention\.ms.*\n$/)
    expect(await fail('topics --create --list --topic other')).toMatch(/^error: give exactly one of --create, .*\n$/)
    expect(await fail('topics --create')).toMatch(/^error: --create needs --topic\n$/)
    expect(await fail('topics --alter --topic hits')).toMatch(/^error: --alter needs --partitions, --config or --delete-config\n$/)
    expect(await fail('topics --create --topic x --partitions none')).toMatch(/^error: option '--partitions <number>' argument 'none' is invalid/)
    expect(await fail('topics --list --data elsewhere')).toMatch(/^error: there is no data directory elsewhere;.*\n$/)
  })

  it('says that it takes options to who gives it words', async () => {
    expect(await fail('topics list')).toBe("error: topics takes options, as Kafka's tools do, such as millrace topics --create --topic NAME; millrace topics --help lists them\n")
  })

  it('lets pass what the user said is fine', async () => {
    await succeed('topics --create --topic hits')
    expect(await succeed('topics --create --topic hits --if-not-exists')).toBe('')
    expect(await succeed('topics --delete --topic other --if-exists')).toBe('')
    expect(await fail('topics --create --topic three --replication-factor 3')).toMatch(/^error: .*one copy: replication is what the Kafka backend is for.*--clamp-replicas.*\n$/)
    expect(await succeed('topics --create --topic three --replication-factor 3 --clamp-replicas --config retention.ms=5')).toBe('Created topic three.\n')
    expect(await succeed('topics --describe --topics-with-overrides')).toBe('Topic: three\tPartitionCount: 1\tReplicationFactor: 1\tConfigs: retention.ms=5\n')
  })
})

describe('millrace configs', () => {
  it('describes and alters the configs of a topic as Kafka’s tool does', async () => {
    await succeed('topics --create --topic hits --config retention.ms=1000')
    expect(await succeed('configs --alter --topic hits --add-config cleanup.policy=[compact,delete],segment.ms=5000 --delete-config retention.ms')).toBe('Completed updating config for topic hits.\n')
    expect(await succeed('configs --describe --entity-type topics --entity-name hits')).toBe('Dynamic configs for topic hits are:\n  cleanup.policy=compact,delete\n  segment.ms=5000\n')
    writeFileSync(join(directory, 'add.properties'), '# two\nsegment.ms = 6000\nretention.bytes=7\n')
    await succeed(`configs --alter --topic hits --add-config-file ${join(directory, 'add.properties')} --add-config segment.ms=5000`)
    expect(await succeed('configs --describe --topic hits')).toContain('  retention.bytes=7\n  segment.ms=5000\n')
    expect(await succeed('configs --describe --topic hits --all')).toMatch(/^ {2}retention\.ms=604800000 \(default\)$/m)
    expect(await fail('configs --alter --topic hits --add-config preallocate=true')).toMatch(/^error: preallocate=true is not possible on the embedded engine: .*\n$/)
    expect(await fail('configs --alter --topic hits --add-config compact')).toMatch(/^error: --add-config: "compact" does not have the form name=value\n$/)
    expect(await fail('configs --describe --entity-type brokers --entity-name 0')).toMatch(/^error: --entity-type brokers: only topics have configs here\n$/)
  })
})

describe('millrace offsets, log-dirs and delete-records', () => {
  it('show where a partition begins and ends, what it takes on disk, and take its oldest records away', async () => {
    await succeed('topics --create --topic hits')
    await succeed('produce --topic hits', '1\n2\n3\n')
    expect(await succeed('offsets --topic hits')).toBe('hits:0:3\n')
    expect(await succeed('delete-records --topic hits --partition 0 --before-offset 2')).toBe('partition: hits-0\tlow_watermark: 2\n')
    expect(await succeed('offsets --topic hits --time earliest')).toBe('hits:0:2\n')
    expect(await succeed('offsets --topic hits --time 2000-01-01')).toBe('hits:0:2\n')
    expect(await succeed('log-dirs --topic hits')).toMatch(/^hits +0 +[1-9]\d+ +2 +3$/m)
    expect(await succeed('consume --topic hits --from-beginning --timeout-ms 50')).toBe('3\n')
    expect(await fail('delete-records --topic hits --partition 0 --before-offset 9')).toMatch(/^error: .*hits-0.*9.*\n$/)
  })
})

describe('millrace produce and consume', () => {
  it('give back keys, values, tombstones and headers as they went in', async () => {
    await succeed('topics --create --topic hits')
    await succeed('produce --topic hits --property parse.key=true --property parse.headers=true --property null.marker=NULL', 'h:1\ta\tone\nh:2\tb\tNULL\n')
    expect(await succeed('consume --topic hits --from-beginning --max-messages 2 --property print.key=true --property print.offset=true --property print.headers=true')).toBe(
      'Offset:0\th:1\ta\tone\nOffset:1\th:2\tb\tnull\n',
    )
  })

  it('take their properties by the names of newer tools, too', async () => {
    await succeed('topics --create --topic hits')
    await succeed('produce --topic hits --reader-property parse.key=true --reader-property key.separator=:', 'k:v\n')
    expect(await succeed('consume --topic hits --from-beginning --max-messages 1 --formatter-property print.key=true --formatter-property key.separator=->')).toBe('k->v\n')
  })

  it('read every topic that a pattern matches', async () => {
    for (const topic of ['hits-a', 'hits-b', 'other']) {
      await succeed(`topics --create --topic ${topic}`)
      await succeed(`produce --topic ${topic}`, `${topic}\n`)
    }
    expect((await succeed('consume --include hits-.* --from-beginning --max-messages 2')).split('\n').sort()).toEqual(['', 'hits-a', 'hits-b'])
    expect(await succeed('consume --include other|none --group g --from-beginning --max-messages 1')).toBe('other\n')
    expect(await fail('consume --include hits')).toBe('error: there is no topic whose whole name matches hits\n')
    expect(await fail('consume --include (')).toMatch(/^error: --include: "\(" is not a regular expression/)
    expect(await fail('consume --include hits-.* --topic other')).toBe('error: give the topic by --topic, or several by --include\n')
    expect(await fail('consume --topic other --partition 3')).toMatch(/^error: topic other has no partition 3; it has 1/)
  })

  it('keep the order of many lines', async () => {
    await succeed('topics --create --topic hits')
    const lines = Array.from({ length: 20_000 }, (_, index) => `${index} ${'x'.repeat(index % 200)}\n`).join('')
    await succeed('produce --topic hits', lines)
    expect(await succeed('consume --topic hits --from-beginning --max-messages 20000')).toBe(lines)
  })

  it('start where asked and end where asked', async () => {
    await succeed('topics --create --topic hits --partitions 2')
    await succeed('produce --topic hits --property parse.key=true', Array.from({ length: 40 }, (_, index) => `k${index}\t${index}\n`).join(''))
    const partition = async (number: number, more: string) => (await succeed(`consume --topic hits --partition ${number} --timeout-ms 50 ${more}`)).split('\n').slice(0, -1).map(Number)
    const zero = await partition(0, '--offset earliest')
    const one = await partition(1, '--offset earliest')
    expect([...zero, ...one].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, index) => index))
    expect(await partition(1, '--offset 2 --max-messages 3')).toEqual(one.slice(2, 5))
    expect(await partition(1, '--offset latest')).toEqual([])
  })

  it('commit what a group was shown, and go on there', async () => {
    await succeed('topics --create --topic hits')
    await succeed('produce --topic hits', '1\n2\n3\n4\n5\n')
    expect(await succeed('consume --topic hits --group g --from-beginning --max-messages 2')).toBe('1\n2\n')
    expect(await succeed('consume --topic hits --group g --from-beginning --max-messages 2')).toBe('3\n4\n')
    expect(await succeed('groups --list')).toBe('g\n')
    const described = await succeed('groups --describe --group g')
    expect(described.split('\n').map((line) => line.split(/ +/)).slice(0, 2)).toEqual([
      ['GROUP', 'TOPIC', 'PARTITION', 'CURRENT-OFFSET', 'LOG-END-OFFSET', 'LAG', 'MEMBER-ID', 'CLIENT-ID'],
      ['g', 'hits', '0', '4', '5', '1', '-', '-'],
    ])
    expect(await succeed('groups --delete --group g')).toBe('Deleted consumer group g.\n')
    expect(await fail('groups --describe --group g')).toBe('error: there is no consumer group g\n')
  })

  it('let a group go on elsewhere, once it was told to execute', async () => {
    await succeed('topics --create --topic hits')
    await succeed('produce --topic hits', '1\n2\n3\n')
    await succeed('consume --topic hits --group g --from-beginning --max-messages 3')
    const plan = await millrace('groups --reset-offsets --group g --topic hits --to-offset 1')
    expect(plan).toMatchObject({ code: 0, errors: 'Nothing was set; add --execute to set these offsets.\n' })
    expect(plan.output).toMatch(/^g +hits +0 +1$/m)
    expect(await succeed('consume --topic hits --group g --timeout-ms 50')).toBe('')
    await succeed('groups --reset-offsets --group g --topic hits --to-offset 1 --execute')
    expect(await succeed('consume --topic hits --group g --timeout-ms 50')).toBe('2\n3\n')
    expect(await succeed('groups --reset-offsets --group g --topic hits --to-datetime 2000-01-01 --execute')).toMatch(/^g +hits +0 +0$/m)
    expect(await fail('groups --reset-offsets --group g --topic hits --to-offset 9')).toBe('error: hits-0 has the offsets 0 to 3, so 9 cannot be set\n')
    expect(await fail('groups --reset-offsets --group g --topic hits')).toMatch(/^error: --reset-offsets needs exactly one of .*\n$/)
  })

  it('are looked at, moved and removed several at a time', async () => {
    await succeed('topics --create --topic hits')
    await succeed('produce --topic hits', '1\n2\n3\n')
    for (const group of ['a', 'b']) await succeed(`consume --topic hits --group ${group} --from-beginning --max-messages 3`)
    expect(await succeed('groups --list --state')).toMatch(/^GROUP +ASSIGNOR +STATE +GENERATION +MEMBERS\na +- +empty +\d+ +0\nb +- +empty +\d+ +0\n$/)
    expect(await succeed('groups --describe --all-groups --offsets')).toMatch(/^a +hits +0 +3 +3 +0 +- +-$(?:.|\n)*^b +hits +0 +3 +3 +0 +- +-$/m)
    expect(await succeed('groups --reset-offsets --all-groups --topic hits --to-earliest --execute')).toMatch(/^a +hits +0 +0\nb +hits +0 +0$/m)
    expect(await fail('groups --delete --group a --all-groups')).toBe('error: --group and --all-groups contradict each other\n')
    expect(await fail('groups --delete')).toBe('error: --delete needs --group or --all-groups\n')
    expect(await succeed('groups --delete --group a --group b')).toBe('Deleted consumer group a.\nDeleted consumer group b.\n')
  })

  it('carry offsets over in a file, and forget those of a topic', async () => {
    await succeed('topics --create --topic hits')
    await succeed('topics --create --topic other --partitions 2')
    await succeed('produce --topic hits', '1\n2\n3\n')
    await succeed('consume --topic hits --group g --from-beginning --max-messages 2')
    const file = join(directory, 'offsets.csv')
    const plan = await succeed('groups --reset-offsets --group g --all-topics --to-current --export')
    expect(plan).toBe('"hits",0,2\n')
    writeFileSync(file, plan)
    expect(await succeed(`groups --reset-offsets --group new --from-file ${file} --execute`)).toMatch(/^new +hits +0 +2$/m)
    expect(await succeed('consume --topic hits --group new --timeout-ms 50')).toBe('3\n')
    expect(await succeed('groups --reset-offsets --all-groups --all-topics --to-current --export')).toBe('"g","hits",0,2\n"new","hits",0,3\n')
    writeFileSync(file, '"g",hits,0,1\nnew,hits,0,0\n')
    expect(await succeed(`groups --reset-offsets --group g --from-file ${file}`)).toMatch(/NEW-OFFSET\ng +hits +0 +1\n$/)
    writeFileSync(file, 'hits,0\n')
    expect(await fail(`groups --reset-offsets --group g --from-file ${file}`)).toBe(`error: ${file}, line 1: "hits,0" is not topic,partition,offset, or group,topic,partition,offset\n`)
    expect(await fail(`groups --reset-offsets --group g --topic hits --from-file ${file}`)).toMatch(/leave out --topic and --all-topics/)
    expect(await succeed('groups --delete-offsets --group g --topic hits --topic other:1')).toMatch(/^g +hits +0 +forgotten\ng +other +1 +forgotten$/m)
    expect(await succeed('groups --reset-offsets --group g --all-topics --to-current --export')).toBe('')
    expect(await fail('groups --delete-offsets --group gone --topic hits')).toMatch(/^error: .*gone/)
  })

  it('let a group go on elsewhere in some partitions, by steps, or in all it has committed', async () => {
    await succeed('topics --create --topic hits --partitions 2')
    await succeed('topics --create --topic other')
    await succeed('produce --topic hits --property parse.key=true', Array.from({ length: 40 }, (_, index) => `k${index}\t${index}\n`).join(''))
    await succeed('produce --topic other', '1\n2\n')
    for (const topic of ['hits', 'other']) await succeed(`consume --topic ${topic} --group g --from-beginning --timeout-ms 50`)
    const newOffsets = async (args: string) => (await succeed(`groups --reset-offsets --group g ${args}`)).trimEnd().split('\n').slice(1).map((row) => row.split(/ +/).slice(1).join(' '))
    const [zero, one] = (await newOffsets('--topic hits --to-latest')).map((row) => Number(row.split(' ')[2]))
    expect(await newOffsets('--topic hits:1 --shift-by -3')).toEqual([`hits 1 ${one! - 3}`])
    expect(await newOffsets('--topic hits --shift-by -100')).toEqual(['hits 0 0', 'hits 1 0'])
    expect(await newOffsets('--all-topics --shift-by 5')).toEqual([`hits 0 ${zero}`, `hits 1 ${one}`, 'other 0 2'])
    expect(await newOffsets('--topic other --by-duration 1h --dry-run')).toEqual(['other 0 0'])
    expect(await newOffsets('--topic other --topic hits:0 --to-current')).toEqual(['other 0 2', `hits 0 ${zero}`])
    expect(await fail('groups --reset-offsets --group h --topic other --shift-by 1')).toMatch(/^error: the group has no committed offset of other-0 to go on from; .*\n$/)
    expect(await fail('groups --reset-offsets --group g --topic hits:7 --to-latest')).toBe('error: topic hits has no partition 7; it has 2, counted from 0\n')
    expect(await fail('groups --reset-offsets --group g --all-topics --to-latest --dry-run --execute')).toBe('error: --dry-run and --execute contradict each other\n')
    expect(await succeed('groups --describe --group g --state')).toMatch(/^g +\S+ +empty +\d+ +0$/m)
    expect(await succeed('groups --describe --group g --members')).toMatch(/^GROUP +MEMBER-ID +INSTANCE-ID +CLIENT-ID +PARTITIONS +ASSIGNMENT\n$/)
  })

  it('name the line and the property that are wrong', async () => {
    await succeed('topics --create --topic hits')
    expect(await fail('produce --topic hits --property parse.key=true', 'a\tb\nc\n')).toMatch(/^error: line 2 has no key\.separator.*\n$/)
    expect(await fail('produce --topic hits --property parse.keys=true', 'a\n')).toMatch(/^error: there is no property parse\.keys.*\n$/)
    expect(await fail('produce --topic missing', 'a\n')).toMatch(/^error: .*missing.*\n$/)
    expect(await fail('consume --topic hits --partition 4')).toMatch(/^error: topic hits has no partition 4; it has 1, counted from 0\n$/)
    expect(await fail('consume --topic hits --group g --partition 0')).toMatch(/^error: --group cannot be combined.*\n$/)
  })
})

describe('millrace dlq', () => {
  it('lists and shows dead letters, and puts them back once', async () => {
    await succeed('topics --create --topic hits')
    await succeed('topics --create --topic dead')
    const about = '__streams.errors.exception:RangeError,__streams.errors.message:too far,__streams.errors.topic:hits,__streams.errors.partition:0,__streams.errors.offset:4'
    await succeed('produce --topic dead --property parse.headers=true --property parse.key=true', `trace:x,${about}\tk\tv\n`)
    expect(await succeed('dlq list --topic dead')).toBe('PARTITION\tOFFSET\tREDRIVEN\tFROM\tERROR\tMESSAGE\n0\t0\tno\thits-0@4\tRangeError\ttoo far\n')
    expect(await succeed('dlq show --topic dead --offset 0')).toMatch(/^dead-0 at offset 0, 20.*Z\n {2}trace: x\n[\s\S]*\n {2}key: k\n {2}value: v\n$/)
    expect(await fail('dlq show --topic dead --partition 0 --offset 7')).toContain('dead has no dead letter in partition 0 at offset 7; millrace dlq list --topic dead shows those it has')
    expect(await millrace('dlq list --topic none')).toMatchObject({ code: 1, output: '', errors: expect.stringContaining('none') as string })
    expect(await succeed('dlq list --topic hits')).toBe('PARTITION\tOFFSET\tREDRIVEN\tFROM\tERROR\tMESSAGE\n')
    expect(await millrace('dlq redrive --topic dead')).toMatchObject({ code: 0, output: '1 record of dead did not go back yet.\n', errors: expect.stringContaining('--execute') as string })
    expect(await fail('dlq redrive --topic dead --fix none.ts --execute')).toContain('there is no file none.ts')
    expect(await succeed('dlq redrive --topic dead --execute')).toBe('Redrove 1 record.\n')
    expect(await succeed('dlq redrive --topic dead --execute')).toBe('Redrove 0 records.\n')
    expect(await succeed('consume --topic hits --from-beginning --timeout-ms 50 --property print.key=true --property print.headers=true')).toBe('trace:x\tk\tv\n')
    expect(await succeed('dlq list --topic dead')).toContain('\tyes\thits-0@4')
    expect(await fail('dlq redrive --topic none --execute')).toMatch(/^error: .*none.*\n$/)
  })
})

describe('millrace', () => {
  it('prints its version, and its commands when one does not exist', async () => {
    expect(await succeed('--version')).toMatch(/^\d+\.\d+\.\d+\n$/)
    expect(await fail('topic')).toMatch(/unknown command 'topic'[\s\S]*topics/)
  })
})
