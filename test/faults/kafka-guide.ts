/** The commands of docs/guide/growing-onto-kafka.md, in their order, on a cluster of three brokers. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { sleep, systemClock } from '../../src/core/clock.ts'
import { runConsole, startConsole } from '../kit/console.ts'
import { snippetsOfDocument } from '../kit/doc-snippets.ts'
import { hitLines, plainCounts, printedCounts } from '../kit/hits.ts'
import type { KafkaCluster } from '../kit/kafka.ts'

const projectFile = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const guide = readFileSync(projectFile('docs/guide/growing-onto-kafka.md'), 'utf8')
const started = readFileSync(projectFile('docs/guide/getting-started.md'), 'utf8')
const blocks = [...guide.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block]) => block!.trimEnd().split('\n'))
const recordCount = 60
const patienceMs = 60_000

/** Tests of a `describe` with such a cluster. */
export function followGuide(cluster: () => KafkaCluster): void {
  let directory: string
  beforeAll(() => {
    // inside the project, because the program imports millrace by its name
    directory = mkdtempSync(join(projectFile('dist'), 'guide-'))
    const program = snippetsOfDocument('getting-started.md', started).find(({ code }) => code.includes('export default builder.build()'))
    writeFileSync(join(directory, 'app.ts'), program!.code)
    writeFileSync(join(directory, 'hits.ndjson'), hitLines(0, recordCount))
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  const run = async (command: string) => {
    const [words, file] = command.replaceAll('localhost:9092', cluster().bootstrapServers).split(' < ')
    const [program, ...args] = words!.trim().split(/\s+/)
    expect(program).toBe('millrace')
    const result = await runConsole(args, { directory }, file === undefined ? '' : readFileSync(join(directory, file)))
    expect(result, command).toMatchObject({ code: 0 })
    return result.output
  }

  it('runs the program of the first guide on the cluster, unchanged', async () => {
    const [commands] = blocks
    for (const command of commands!) {
      if (!command.startsWith('millrace run')) {
        const output = await run(command)
        if (command.startsWith('millrace consume')) expect(printedCounts(output)).toEqual(plainCounts(recordCount))
        continue
      }
      const app = startConsole(command.replaceAll('localhost:9092', cluster().bootstrapServers).split(' ').slice(1), { directory })
      await app.waitFor('caught up')
      app.kill('SIGTERM')
      expect(await app.ended).toMatchObject({ code: 0 })
    }
  }, 240_000)

  it('shows leaders and in-sync replicas while a broker is down, and when it is back', async () => {
    const [, before, after] = blocks
    const partitionsOf = async (command: string) => (await run(command)).split('\n').filter((line) => line.includes('\tPartition: ')).map((line) => ({
      leader: Number(/Leader: (-?\d+)/.exec(line)![1]),
      isr: /Isr: ([\d,]*)/.exec(line)![1]!.split(',').map(Number),
    }))
    const healthy = await partitionsOf(before![0]!)
    expect(healthy.map(({ isr }) => isr.length)).toEqual([3, 3, 3])
    const victim = healthy[0]!.leader
    await cluster().kill(victim)
    await until(async () => (await partitionsOf(after![0]!)).every(({ leader, isr }) => leader > 0 && leader !== victim && isr.length === 2 && !isr.includes(victim)))
    const nodesOf = async () => (await run(after![1]!)).trimEnd().split('\n').slice(2).map((line) => Number(line.split(' ')[0]))
    expect(await nodesOf()).toEqual([1, 2, 3].filter((nodeId) => nodeId !== victim))
    expect(await run(after![1]!)).toMatch(/^ClusterId: \S+\tController: [123]\tBrokers: 2\n/)
    expect(await run(after![2]!)).toMatch(/access-log/)
    await cluster().restart(victim)
    await until(async () => (await partitionsOf(after![0]!)).every(({ isr }) => isr.length === 3))
    expect(await nodesOf()).toEqual([1, 2, 3])
  }, 300_000)
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = systemClock.monotonic() + patienceMs
  while (!await isSo()) {
    if (systemClock.monotonic() > deadline) throw new Error(`not so within ${patienceMs} ms`)
    await sleep(systemClock, 250)
  }
}
