/** The connectors in a real worker on a real log: a rotating file becomes a topic, and the topic a file and a table. */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openEmbeddedBroker } from 'millrace'
import type { Broker } from 'millrace'
import { ConnectWorker, sleep, systemClock } from 'millrace/connect'
import { plugins as filePlugins } from 'millrace/connectors/file'
import { plugins as postgresPlugins } from 'millrace/connectors/postgres'
import { freshDatabase, queryRows } from '../kit/postgres.ts'
import { describeWith } from '../kit/services.ts'
import { collectingLog } from '../kit/source-harness.ts'

let folder: string
let running: { stop(): Promise<void> }[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-e2e-connectors-'))
})

afterEach(async () => {
  for (const each of running) await each.stop()
  running = []
  rmSync(folder, { recursive: true, force: true })
})

const at = (name: string) => join(folder, name)

async function open(connectors: Record<string, Record<string, string>>) {
  const broker: Broker = await openEmbeddedBroker({ directory: at('data') })
  const log = collectingLog()
  const config = { 'offset.flush.interval.ms': '50', 'value.converter': 'StringConverter', 'key.converter': 'StringConverter' }
  const worker = ConnectWorker.open({ broker, log, config, plugins: [...filePlugins, ...postgresPlugins] })
  let stopped = false
  const handle = {
    worker,
    log,
    async stop() {
      if (stopped) return
      stopped = true
      await worker.stop()
      await broker.close()
    },
  }
  running.push(handle)
  for (const [name, connector] of Object.entries(connectors)) await worker.start({ name, config: connector })
  return handle
}

async function until(condition: () => boolean | Promise<boolean>, what: () => string | Promise<string>): Promise<void> {
  for (let tries = 0; tries < 2400; tries++) {
    if (await condition()) return
    await sleep(systemClock, 25)
  }
  throw new Error(`never came true: ${await what()}`)
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i))
const linesIn = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [])

await describeWith('postgres', 'file source, file sink and PostgreSQL sink in one worker', (server) => {
  it('move every line once, through rotations and restarts', async () => {
    const url = await freshDatabase(server)
    const connectors = {
      tail: { 'connector.class': 'FileSource', path: at('access.log*'), topic: 'lines', 'rescan.interval.ms': '50', 'poll.interval.ms': '10' },
      copy: { 'connector.class': 'FileSink', topics: 'lines', file: at('copy.log') },
      table: { 'connector.class': 'PostgresSink', topics: 'lines', 'connection.url': url, 'auto.create': 'true', 'value.column': 'line' },
    }
    let written = 0
    for (let round = 1; round <= 3; round++) {
      const worker = await open(connectors)
      for (let turn = 0; turn < 3; turn++) {
        appendFileSync(at('access.log'), numbers(written, written + 500).map((line) => `${line}\n`).join(''))
        written += 500
        if (turn === 1) renameSync(at('access.log'), at(`access.log.${round}`))
      }
      if (round < 3) await until(() => linesIn(at('copy.log')).length > (round - 1) * 1500, () => worker.log.lines.join('\n'))
      else {
        const rows = async () => (await queryRows(url, 'select count(*)::int as n from lines').catch(() => []))[0]?.['n']
        await until(async () => linesIn(at('copy.log')).length >= written && (await rows()) === written, async () =>
          JSON.stringify([linesIn(at('copy.log')).length, await rows(), worker.worker.status(), worker.log.lines]))
      }
      await worker.stop()
    }
    expect(linesIn(at('copy.log'))).toEqual(numbers(0, written))
    expect(await queryRows(url, 'select count(distinct line)::int as d, count(*)::int as n from lines')).toEqual([{ d: written, n: written }])
  }, 120_000)
})
