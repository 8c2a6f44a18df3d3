import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runConsole } from '../../src/cli/run-console.ts'
import { openEmbeddedBroker, sleep, systemClock } from '../../src/core/index.ts'
import { MemoryTerminal } from '../kit/memory-terminal.ts'
import { write } from '../kit/streams-harness.ts'

class StoppableTerminal extends MemoryTerminal {
  readonly controller = new AbortController()

  override get stop(): AbortSignal {
    return this.controller.signal
  }

  async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    for (let tries = 0; tries < 1_000; tries++) {
      const found = pattern.exec(this.errors)
      if (found !== null) return found
      await sleep(systemClock, 20)
    }
    throw new Error(`${pattern} was not told, but: ${this.errors}`)
  }
}

let directory: string
let file: string

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-run-'))
  file = join(directory, 'app.ts')
  writeFileSync(file, [
    "import { StreamsBuilder, topic } from 'millrace/streams'",
    "import { stringSerde } from 'millrace'",
    'const builder = new StreamsBuilder()',
    "builder.stream(topic('words', { key: stringSerde, value: stringSerde })).groupByKey().count({ store: 'counts' })",
    'export default builder.build()',
  ].join('\n'))
  const broker = await openEmbeddedBroker({ directory: join(directory, 'data') })
  await broker.topics.create([{ topic: 'words' }])
  await write(broker, 'words', ['a', 'b', 'a'].map((key) => ({ key, value: 'x' })))
  await broker.close()
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const run = (terminal: MemoryTerminal, ...options: readonly string[]) => runConsole(['run', file, '--data', join(directory, 'data'), ...options], terminal)

describe('millrace run', () => {
  it('says how a missing topic is created in the log that it was given', async () => {
    const app = join(directory, 'other.ts')
    writeFileSync(app, "import { StreamsBuilder, topic } from 'millrace/streams'\nimport { stringSerde } from 'millrace'\nconst text = { key: stringSerde, value: stringSerde }\nconst builder = new StreamsBuilder()\nbuilder.stream(topic('words', text)).to(topic('nowhere', text))\nexport default builder.build()\n")
    const terminal = new MemoryTerminal()
    expect(await runConsole(['run', app, '--data', join(directory, 'data')], terminal)).toBe(1)
    expect(terminal.errors).toContain(`the topic nowhere does not exist; create it first: millrace topics --create --topic nowhere --partitions 1 --data ${join(directory, 'data')}`)
    const spaced = join(directory, "it's new")
    expect(await runConsole(['run', app, '--data', spaced], terminal)).toBe(1)
    expect(terminal.errors).toContain(`millrace topics --create --topic nowhere --partitions 1 --data '${spaced.replace("'", String.raw`'\''`)}'`)
  })

  it('serves metrics and stores until it is stopped', async () => {
    const terminal = new StoppableTerminal()
    const ended = run(terminal, '--http-port', '0', '--guarantee', 'at-least-once', '--commit-interval', '50ms', '--cache-max-bytes', '0', '--state-directory', join(directory, 'state'))
    const [, url] = await terminal.waitFor(/metrics and stores at (http:\/\/127\.0\.0\.1:\d+)/)
    await terminal.waitFor(/caught up after 3 records/)
    expect(await (await fetch(`${url}/stores/counts/keys/a`)).json()).toMatchObject({ value: 2 })
    const metrics = await (await fetch(`${url}/metrics`)).text()
    expect(metrics).toMatch(/process_total\{.*application_id="app".*\} 3/)
    expect(metrics).toMatch(/^kafka_log_log_logendoffset\{topic="[^"]+",partition="0"\} \d+$/m)
    expect(metrics).toMatch(/^kafka_log_logflushstats_logflushtimems_bucket\{le="\+Inf"\} [1-9]/m)
    expect(existsSync(join(directory, 'state'))).toBe(true)
    terminal.controller.abort('SIGINT')
    expect(await ended).toBe(0)
    await expect(fetch(url!)).rejects.toThrow()
  })

  it('leaves its group in good order where the port is taken, and where it is stopped while it starts', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const { port } = holder.address() as AddressInfo
    const refused = new StoppableTerminal()
    expect(await run(refused, '--http-port', String(port))).toBe(1)
    expect(refused.errors).toMatch(/EADDRINUSE/)
    expect(refused.errors).not.toMatch(/closed/)
    holder.close()
    const stopped = new StoppableTerminal()
    stopped.controller.abort('SIGTERM')
    expect(await run(stopped)).toBe(0)
    expect(stopped.errors).toBe('stopping: SIGTERM\n')
  })

  it('says how many records were left out', async () => {
    const broker = await openEmbeddedBroker({ directory: join(directory, 'data') })
    await write(broker, 'words', [{ key: null, value: 'x' }])
    const producer = await broker.openProducer()
    await producer.append({ topic: 'words', key: Uint8Array.of(97), value: Uint8Array.of(255) })
    await broker.close()
    const terminal = new StoppableTerminal()
    const ended = run(terminal, '--on-deserialization-error', 'skip')
    await terminal.waitFor(/caught up after 5 records; 2 were left out: late, without a key, or by an error policy/)
    terminal.controller.abort('SIGINT')
    expect(await ended).toBe(0)
  })

  it('tries again after a failure, where it is asked to', async () => {
    writeFileSync(file, [
      "import { StreamsBuilder, topic } from 'millrace/streams'",
      "import { stringSerde } from 'millrace'",
      'const builder = new StreamsBuilder()',
      'let failures = 0',
      "const fail = () => { if (failures++ < 1) throw new Error('not yet') }",
      "builder.stream(topic('words', { key: stringSerde, value: stringSerde })).peek(fail).groupByKey().count({ store: 'counts' })",
      'export default builder.build()',
    ].join('\n'))
    const failing = new StoppableTerminal()
    const ended = run(failing, '--on-failure', 'replace')
    await failing.waitFor(/caught up after/)
    failing.controller.abort('SIGINT')
    expect(await ended).toBe(0)
  })

  it('says which option is wrong', async () => {
    const terminal = new MemoryTerminal()
    expect(await run(terminal, '--commit-interval', 'soon')).toBe(1)
    expect(terminal.errors).toMatch(/--commit-interval.*soon.*It must be a duration/)
  })
})
