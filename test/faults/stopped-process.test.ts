import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isStreamError, openEmbeddedBroker, sleep, systemClock } from '../../src/core/index.ts'

const program = fileURLToPath(new URL('./transfers-until-stopped.mjs', import.meta.url))
const transactionTimeoutMs = 300
/** The longest time-out of the program, and the engine's look at what is overdue besides. */
const stoppedMs = 1_500

describe('a process that is stopped (SIGSTOP) while it holds a directory', () => {
  let directory: string
  let child: ChildProcess
  let committed: number
  let heard: () => void

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-stopped-'))
    committed = -1
    heard = () => undefined
    child = spawn(process.execPath, [program, directory, String(transactionTimeoutMs)], { stdio: ['ignore', 'pipe', 'inherit'] })
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const [what, number] = line.split(' ')
      if (what === 'committed') committed = Number(number)
      heard()
    })
  })
  afterEach(async () => {
    await kill()
    rmSync(directory, { recursive: true, force: true })
  })

  async function kill() {
    if (child.exitCode !== null || child.signalCode !== null) return
    const closed = once(child, 'close')
    child.kill('SIGKILL')
    await closed
  }

  async function untilCommitted(number: number) {
    const ended = once(child, 'close').then(() => { throw new Error('the program ended by itself') })
    ended.catch(() => undefined)
    while (committed < number) await Promise.race([new Promise<void>((resolve) => (heard = resolve)), ended])
  }

  async function stopInTheMiddle() {
    await untilCommitted(20)
    child.kill('SIGSTOP')
    await sleep(systemClock, stoppedMs)
  }

  const refusal = () => openEmbeddedBroker({ directory }).then(() => 'opened', (error: unknown) => error)
  const namesTheFirst = () => expect.toSatisfy((error) => isStreamError(error, 'DIRECTORY_LOCKED') && error.message.includes(`process ${child.pid};`), `locked by ${child.pid}`)

  /** Takes the directory over from the dead: everything acknowledged is there once, in order, and at most the one in flight besides. */
  async function expectWhole() {
    const broker = await openEmbeddedBroker({ directory })
    const seen: number[][] = [[], []]
    const partitions = [0, 1].map((partition) => ({ topic: 'transfers', partition }))
    const reader = await broker.openReader()
    reader.assign(partitions.map((partition) => ({ ...partition, offset: 0 })))
    const ends = await broker.topics.listOffsets(partitions.map((partition) => ({ ...partition, at: 'latest' as const })))
    while (reader.positions().some(({ offset }, index) => offset < ends[index]!.offset)) {
      for (const { partition, batches } of (await reader.read()).partitions) {
        for (const batch of batches) for (const record of batch) seen[partition]!.push(Number(Buffer.from(record.value!).toString()))
      }
    }
    await broker.close()
    const everything = Array.from({ length: seen[0]!.length }, (_, index) => index)
    expect(seen).toEqual([everything, everything])
    expect([committed + 1, committed + 2]).toContain(everything.length)
  }

  it('keeps it: a second one is refused with its process id, and it goes on where it was, with nothing lost or doubled', async () => {
    await stopInTheMiddle()
    const before = committed
    expect(await refusal()).toEqual(namesTheFirst())
    child.kill('SIGCONT')
    await untilCommitted(before + 20)
    expect(await refusal()).toEqual(namesTheFirst())
    await kill()
    await expectWhole()
  })

  it('loses it when it is killed, with everything that it had acknowledged', async () => {
    await stopInTheMiddle()
    expect(await refusal()).toEqual(namesTheFirst())
    await kill()
    await expectWhole()
  })
})
