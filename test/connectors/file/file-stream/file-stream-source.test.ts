import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileStreamSource } from '../../../../connectors/file/plugins.ts'
import { SourceHarness } from '../../../kit/source-harness.ts'

let folder: string
let source: { stop(): Promise<void> } | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-file-stream-'))
})

afterEach(async () => {
  await source?.stop()
  rmSync(folder, { recursive: true })
})

function reading(config: Record<string, string> = {}) {
  const made = new SourceHarness(fileStreamSource, { file: join(folder, 'a'), topic: 't', ...config })
  source = made
  return made
}

describe('FileStreamSource', () => {
  it('ends lines at \\n, \\r and \\r\\n, and lets an unfinished one and a lone \\r wait', async () => {
    writeFileSync(join(folder, 'a'), 'one\ntwo\rthree\r\n\nfour\r')
    const stream = reading()
    await stream.start()
    await stream.drain()
    expect(stream.texts).toEqual(['one', 'two', 'three', ''])
    appendFileSync(join(folder, 'a'), 'fi')
    await stream.drain()
    appendFileSync(join(folder, 'a'), 've\n')
    await stream.drain()
    expect(stream.texts).toEqual(['one', 'two', 'three', '', 'four', 'five'])
    expect(stream.given[0]).toMatchObject({ partition: { filename: join(folder, 'a') }, offset: { position: 4 } })
  })

  it('goes on at the right byte behind characters of several bytes, where upstream does not', async () => {
    const texts = ['grün', '日本', '🦆', 'end']
    writeFileSync(join(folder, 'a'), texts.map((text) => `${text}\n`).join(''))
    for (let committed = 0; committed <= texts.length; committed++) {
      const stream = reading()
      await stream.start()
      await stream.drain()
      stream.commit(committed)
      await stream.crash()
      await stream.start()
      await stream.drain()
      expect(stream.texts).toEqual(texts)
      await stream.stop()
    }
  })

  it('gives at most batch.size records a poll, and lines longer than a chunk', async () => {
    const long = 'x'.repeat(300_000)
    writeFileSync(join(folder, 'a'), `1\n2\n3\n${long}\n4\n`)
    const stream = reading({ 'batch.size': '2' })
    await stream.start()
    expect([await stream.poll(), await stream.poll(), await stream.poll(), await stream.poll()]).toEqual([2, 2, 1, 0])
    expect(stream.texts).toEqual(['1', '2', '3', long, '4'])
  })

  it('waits for a file that is missing, and says so once', async () => {
    const stream = reading()
    await stream.start()
    await stream.drain()
    expect(stream.log.lines).toEqual([`warn ${join(folder, 'a')} cannot be read (ENOENT); it is tried again every second`])
    writeFileSync(join(folder, 'a'), 'here\n')
    await stream.drain()
    expect(stream.texts).toEqual(['here'])
  })

  it('takes and refuses offsets in the words that tools know', () => {
    const connector = fileStreamSource.createConnector()
    const alter = (partition: object | null, offset: object | null, file: string | null = 'f') =>
      connector.alterOffsets!({ file, topic: 't', 'batch.size': 1 }, [[partition as never, offset as never]])
    expect(alter({ filename: 'f' }, { position: 3 })).toBe(true)
    expect(alter({ filename: 'other' }, null)).toBe(true)
    expect(() => alter({ filename: 'f' }, { position: -1 })).toThrow("The value for the 'position' key in the offset should be a non-negative value")
    expect(() => alter({ filename: 'f' }, { pos: 1 })).toThrow("Offset objects should either be null or contain the key 'position'")
    expect(() => alter({ file: 'x' }, { position: 1 })).toThrow("Partition objects should contain the key 'filename'")
    expect(() => alter(null, { position: 1 })).toThrow('Partition objects cannot be null')
    expect(() => alter({}, null, null)).toThrow("Offsets cannot be modified if the 'file' configuration is unspecified")
    expect([connector.supportsExactlyOnce!({ file: 'f', topic: 't', 'batch.size': 1 }), connector.supportsExactlyOnce!({ file: null, topic: 't', 'batch.size': 1 })]).toEqual([true, false])
  })
})
