import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runConsole } from '../../src/cli/run-console.ts'
import { openEmbeddedBroker } from '../../src/core/index.ts'
import { MemoryTerminal } from '../kit/memory-terminal.ts'

it('millrace repair says what is lost, changes nothing without --yes, and makes the rest usable with it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-repair-'))
  const repair = async (...options: readonly string[]) => {
    const terminal = new MemoryTerminal()
    return { code: await runConsole(['repair', '--data', directory, ...options], terminal), output: terminal.output }
  }
  try {
    const broker = await openEmbeddedBroker({ directory })
    await broker.topics.create([{ topic: 'hits' }])
    const producer = await broker.openProducer()
    for (const value of ['a', 'b', 'c']) await producer.append({ topic: 'hits', value: Buffer.from(value) })
    await broker.close()
    expect(await repair()).toEqual({ code: 0, output: `nothing in ${directory} is damaged\n` })

    const path = join(directory, 'hits-0', readdirSync(join(directory, 'hits-0')).find((name) => name.endsWith('.log'))!)
    const bytes = readFileSync(path)
    bytes[65]! ^= 1
    writeFileSync(path, bytes)
    const plan = await repair()
    expect(plan.output).toMatch(/^hits-0: offset 0 is lost: \d+ bytes at position 0 of .*\.log\nNothing was changed\./)
    expect(readFileSync(path).equals(bytes)).toBe(true)
    expect((await repair('--yes')).output).toContain('This was cut out.')

    const again = await openEmbeddedBroker({ directory })
    const reader = await again.openReader()
    reader.assign([{ topic: 'hits', partition: 0, offset: 0 }])
    const { partitions } = await reader.read()
    expect(partitions.flatMap(({ batches }) => batches.flatMap((batch) => [...batch].map((record) => `${record.offset} ${Buffer.from(record.value!).toString()}`)))).toEqual(['1 b', '2 c'])
    await again.close()
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
