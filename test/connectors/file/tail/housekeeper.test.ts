import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { sleep, systemClock } from 'millrace/connect'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileSource } from '../../../../connectors/file/plugins.ts'
import { SourceHarness } from '../../../kit/source-harness.ts'

let folder: string
let harnesses: { stop(): Promise<void> }[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-housekeeper-'))
  mkdirSync(join(folder, 'in'))
})

afterEach(async () => {
  for (const harness of harnesses) await harness.stop()
  harnesses = []
  rmSync(folder, { recursive: true, force: true })
})

const at = (name: string) => join(folder, name)

async function started(config: Record<string, string>) {
  const made = new SourceHarness(fileSource, { path: at('in/*'), topic: 'lines', watch: 'false', 'rescan.interval.ms': '1', 'cleanup.idle.ms': '1000', ...config })
  harnesses.push(made)
  await made.start()
  return made
}

async function polls(source: { poll(): Promise<number> }, count: number) {
  for (let i = 0; i < count; i++) await source.poll()
}

describe('cleaning up', () => {
  it.each(['move', 'delete'])('happens when all of a file is committed, not before: %s', async (policy) => {
    writeFileSync(at('in/a.csv'), 'id\n1\n2\n')
    const source = await started({ format: 'csv', 'cleanup.policy': policy, 'cleanup.folder': at('done') })
    await polls(source, 6)
    expect(source.given).toHaveLength(2)
    expect(existsSync(at('in/a.csv'))).toBe(true)
    source.commit(1)
    await polls(source, 6)
    expect(existsSync(at('in/a.csv'))).toBe(true) // half of it is committed
    source.commit()
    await polls(source, 6)
    expect(readdirSync(at('in'))).toEqual([])
    await polls(source, 2)
    expect(source.log.lines.filter((line) => line.includes('no file is named'))).toEqual([]) // as it should be
    if (policy === 'move') expect(readFileSync(at('done/a.csv'), 'utf8')).toBe('id\n1\n2\n')
  })

  it('keeps what is there under the same name, and a file that was read and committed before a restart is cleaned up, too', async () => {
    const source = await started({ 'cleanup.policy': 'move', 'cleanup.folder': at('done') })
    for (const text of ['one\n', 'two\n']) {
      writeFileSync(at('in/a'), text)
      await polls(source, 3)
      source.commit()
      await source.crash()
      await source.start()
      await polls(source, 6)
    }
    expect(source.texts).toEqual(['one', 'two'])
    expect(['a', 'a.1'].map((name) => readFileSync(at(`done/${name}`), 'utf8'))).toEqual(['one\n', 'two\n'])
  })

  it('waits while a file grows or a last line has no newline', async () => {
    writeFileSync(at('in/a'), 'one\ntw')
    const source = await started({ 'cleanup.policy': 'delete' })
    for (let round = 0; round < 5; round++) {
      await polls(source, 3)
      source.commit()
    }
    expect(existsSync(at('in/a'))).toBe(true)
    appendFileSync(at('in/a'), 'o\n')
    await polls(source, 3)
    source.commit()
    await polls(source, 6)
    expect(source.texts).toEqual(['one', 'two'])
    expect(existsSync(at('in/a'))).toBe(false)
  })

  it('takes compressed files away, too', async () => {
    writeFileSync(at('in/a.gz'), gzipSync(Buffer.from('one\ntwo\n')))
    const source = await started({ 'cleanup.policy': 'delete' })
    for (let round = 0; round < 2_000 && existsSync(at('in/a.gz')); round++) {
      await sleep(systemClock, 5)
      await source.poll()
      source.commit()
    }
    expect(source.texts).toEqual(['one', 'two'])
    expect(existsSync(at('in/a.gz'))).toBe(false)
  })
})

describe('stored positions', () => {
  it('of files that are gone are forgotten after a while, and those of others are kept', async () => {
    writeFileSync(at('in/gone'), 'one\n')
    writeFileSync(at('in/here'), 'two\n')
    const source = await started({ 'forget.after.ms': '5000' })
    await polls(source, 2)
    source.commit()
    unlinkSync(at('in/gone'))
    await polls(source, 2)
    source.commit()
    expect(source.committed.size).toBe(2)
    for (let round = 0; round < 60 && source.committed.size > 1; round++) {
      await source.poll()
      source.commit()
    }
    expect([...source.committed.values()]).toMatchObject([{ path: at('in/here') }])
  })
})
