import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runConsole } from '../../src/cli/run-console.ts'
import { freshName } from '../kit/kafka.ts'
import { MemoryTerminal } from '../kit/memory-terminal.ts'
import { describeWith } from '../kit/services.ts'

async function millrace(args: string, input = ''): Promise<MemoryTerminal & { readonly code: number }> {
  const terminal = new MemoryTerminal(input)
  return Object.assign(terminal, { code: await runConsole(args.split(' '), terminal) })
}

describe('--kafka', () => {
  it('says in one line that no broker answers', async () => {
    const { code, errors } = await millrace('topics --list --kafka 127.0.0.1:1')
    expect(code).toBe(1)
    expect(errors).toMatch(/^error: .*127\.0\.0\.1:1.*\n$/)
  })

  it('says in one line that a file of settings names no cluster', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-settings-'))
    writeFileSync(join(directory, 'client.properties'), 'security.protocol=PLAINTEXT\n')
    const { code, errors } = await millrace(`topics --list --command-config ${join(directory, 'client.properties')}`)
    rmSync(directory, { recursive: true })
    expect(code).toBe(1)
    expect(errors).toMatch(/^error: .*client\.properties has no bootstrap\.servers.*--kafka\n$/)
  })

  it('says in one line that it is no address', async () => {
    expect(await millrace('topics --list --kafka nowhere')).toMatchObject({ code: 1, errors: expect.stringMatching(/^error: .*nowhere.*host:port.*\n$/) as string })
  })
})

await describeWith('kafka', 'the console on Apache Kafka', (kafka) => {
  let directory: string
  const topic = freshName('console')
  const group = freshName('group')

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-kafka-'))
    writeFileSync(join(directory, 'client.properties'), 'security.protocol=PLAINTEXT\nclient.id=console-test\n')
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  async function succeed(args: string, input?: string): Promise<string> {
    const result = await millrace(`${args} --kafka ${kafka.bootstrapServers} --command-config ${join(directory, 'client.properties')}`, input)
    expect(result, result.errors).toMatchObject({ code: 0 })
    return result.output
  }

  it('does what it does on a directory', async () => {
    expect(await succeed(`topics --create --topic ${topic} --partitions 1 --config retention.ms=100000`)).toBe(`Created topic ${topic}.\n`)
    await succeed(`produce --topic ${topic} --property parse.key=true`, 'a\t1\nb\t2\n')
    expect(await succeed(`topics --describe --topic ${topic}`)).toMatch(/PartitionCount: 1.*retention\.ms=100000[\s\S]*LogStartOffset: 0\tHighWatermark: 2\n$/)
    expect(await succeed(`consume --topic ${topic} --from-beginning --max-messages 2 --property print.key=true`)).toBe('a\t1\nb\t2\n')
    expect(await succeed(`consume --topic ${topic} --group ${group} --from-beginning --max-messages 1`)).toBe('1\n')
    expect(await succeed(`groups --describe --group ${group}`)).toMatch(new RegExp(`^${group} +${topic} +0 +1 +2 +1 `, 'm'))
    writeFileSync(join(directory, 'cluster.properties'), `bootstrap.servers=${kafka.bootstrapServers}\n`)
    const named = await millrace(`topics --list --command-config ${join(directory, 'cluster.properties')}`)
    expect(named).toMatchObject({ code: 0, output: expect.stringContaining(`${topic}\n`) as string })
    expect(await succeed(`topics --delete --topic ${topic}`)).toBe(`Deleted topic ${topic}.\n`)
  })
})
