import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runConsole } from '../../src/cli/run-console.ts'
import { openEmbeddedBroker } from '../../src/core/index.ts'
import { MemoryTerminal } from '../kit/memory-terminal.ts'

let directory: string

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-check-'))
  const broker = await openEmbeddedBroker({ directory })
  await broker.topics.create([{ topic: 'hits' }])
  const producer = await broker.openProducer()
  for (const value of ['a', 'b', 'c']) await producer.append({ topic: 'hits', value: Buffer.from(value) })
  await broker.close()
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function check() {
  const terminal = new MemoryTerminal()
  return { code: await runConsole(['check', '--data', directory], terminal), output: terminal.output, errors: terminal.errors }
}

describe('millrace check', () => {
  it('says of each partition what it found in it', async () => {
    const { code, output, errors } = await check()
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    expect(output).toMatch(/^TOPIC +PARTITION +SEGMENTS +BATCHES +RECORDS +BYTES +RESULT\n/)
    expect(output).toMatch(/^hits +0 +1 +3 +3 +\d+ +ok$/m)
  })

  it('names the file and the position of damage, fails, and changes nothing', async () => {
    const path = join(directory, 'hits-0', readdirSync(join(directory, 'hits-0')).find((name) => name.endsWith('.log'))!)
    const bytes = readFileSync(path)
    bytes[65]! ^= 1
    writeFileSync(path, bytes)
    const { code, output, errors } = await check()
    expect(code).toBe(1)
    expect(output).toMatch(/^hits .* 1 damaged$/m)
    expect(errors).toContain(`${path}, position 0: a record batch is damaged`)
    expect(errors).toMatch(/error: .* is damaged in 1 place/)
    expect(readFileSync(path).equals(bytes)).toBe(true)
  })
})
