import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileSource } from '../../../../connectors/file/plugins.ts'
import { SourceHarness } from '../../../kit/source-harness.ts'

let folder: string
let harnesses: { stop(): Promise<void> }[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-line-records-'))
})

afterEach(async () => {
  for (const harness of harnesses) await harness.stop()
  harnesses = []
  rmSync(folder, { recursive: true, force: true })
})

const log = () => join(folder, 'app.log')

async function started(config: Record<string, string>) {
  const made = new SourceHarness(fileSource, { path: log(), topic: 'lines', watch: 'false', 'rescan.interval.ms': '1', ...config })
  harnesses.push(made)
  await made.start()
  return made
}

const values = (source: { given: readonly { value: unknown }[] }) => source.given.map(({ value }) => value)

describe('encodings', () => {
  it.each(['utf-16le', 'utf-16be', 'utf-16'] as const)('reads %s, also where a byte 10 is half of a character, and goes on at the right byte after a restart', async (encoding) => {
    const bytes = (text: string) => (encoding === 'utf-16le' ? Buffer.from(text, 'utf16le') : Buffer.from(text, 'utf16le').swap16())
    // U+0A00, U+0A0A and U+010A hold bytes 10 that end no line
    writeFileSync(log(), bytes(`\uFEFFeins \u0A00\u0A0A\u010A\r\nzwei\n\u0A0A\nhal`))
    const source = await started({ encoding })
    await source.drain()
    expect(values(source)).toEqual(['eins \u0A00\u0A0A\u010A', 'zwei', '\u0A0A'])
    source.commit(2)
    await source.crash()
    appendFileSync(log(), bytes('b\nvier\n'))
    await source.start()
    await source.drain()
    expect(values(source)).toEqual(['eins \u0A00\u0A0A\u010A', 'zwei', '\u0A0A', 'halb', 'vier'])
  })

  it('reads UTF-16 lines longer than a chunk, and bounds them', async () => {
    writeFileSync(log(), Buffer.from(`a\n${'\u0A0A'.repeat(9_000)}\nb\n${'x'.repeat(30_000)}\nc\n`, 'utf16le'))
    const source = await started({ encoding: 'utf-16le', 'batch.bytes': '4096', 'max.line.bytes': '20000' })
    await source.drain()
    expect(values(source)).toEqual(['a', '\u0A0A'.repeat(9_000), 'b', 'x'.repeat(10_000), 'c'])
  })

  it('reads latin1', async () => {
    writeFileSync(log(), Buffer.from('Grüße\n', 'latin1'))
    const source = await started({ encoding: 'latin1' })
    await source.drain()
    expect(values(source)).toEqual(['Grüße'])
  })

  it('leaves out the byte order mark of UTF-8, and only that', async () => {
    writeFileSync(log(), '\uFEFFone\n\uFEFFtwo\n')
    const source = await started({})
    await source.drain()
    expect(source.texts).toEqual(['one', '\uFEFFtwo'])
  })

  it.each([
    ['replace', ['good', 'bad \uFFFD\uFFFD', 'gut ä'], 'lines'],
    ['bytes', ['good', Buffer.from([0x62, 0x61, 0x64, 0x20, 0xff, 0xc3]).toString(), 'gut ä'], 'lines'],
    ['dead-letter', ['good', Buffer.from([0x62, 0x61, 0x64, 0x20, 0xff, 0xc3]).toString(), 'gut ä'], 'dead'],
  ])('treats bytes that are no UTF-8 by choice: %s', async (choice, texts, topic) => {
    writeFileSync(log(), Buffer.concat([Buffer.from('good\nbad '), Buffer.from([0xff, 0xc3, 10]), Buffer.from('gut ä\n')]))
    const source = await started({ 'invalid.bytes': choice, 'dead.letter.topic': 'dead' })
    await source.drain()
    expect(source.texts).toEqual(texts)
    expect(source.given[1]!.topic).toBe(topic)
    if (choice === 'dead-letter') expect(source.given[1]!.headers).toMatchObject({ 'file.path': log(), 'file.position': '5' })
    source.commit(2)
    await source.crash()
    await source.start()
    await source.drain()
    expect(source.texts).toEqual(texts)
  })
})

describe('lines that belong together', () => {
  const trace = ['ERROR one', '  at a', '  at b', 'INFO two', 'ERROR three', '  at c']

  it('are one record by the pattern of their first line; the last one is given after a time-out', async () => {
    writeFileSync(log(), `${trace.join('\n')}\n`)
    const source = await started({ 'multiline.pattern': String.raw`^\S` })
    await source.poll()
    expect(values(source)).toEqual(['ERROR one\n  at a\n  at b', 'INFO two'])
    await source.drain()
    expect(values(source)).toEqual(['ERROR one\n  at a\n  at b', 'INFO two'])
    for (let polls = 0; polls < 8; polls++) await source.poll() // a second each
    expect(values(source).slice(2)).toEqual(['ERROR three\n  at c'])
  })

  it('belong to the file that they were read from, though it was written anew before they are given', async () => {
    writeFileSync(log(), 'ERROR one\n  at a\n')
    const source = await started({ 'multiline.pattern': String.raw`^\S` })
    await source.poll()
    writeFileSync(log(), 'INFO other\nINFO last\n')
    for (let polls = 0; polls < 20 && source.given.length < 2; polls++) await source.poll()
    expect(values(source)).toEqual(['ERROR one\n  at a', 'INFO other'])
    expect(source.given[0]!.partition).not.toEqual(source.given[1]!.partition)
  })

  it('are read again from the first of them after a crash, and those given are not', async () => {
    writeFileSync(log(), `${trace.join('\n')}\n`)
    const source = await started({ 'multiline.pattern': String.raw`^\s`, 'multiline.mode': 'continuation' })
    await source.poll()
    source.commit(1)
    await source.crash()
    appendFileSync(log(), '  at d\nINFO four\n')
    await source.start()
    await source.drain()
    expect(values(source)).toEqual(['ERROR one\n  at a\n  at b', 'INFO two', 'ERROR three\n  at c\n  at d'])
  })

  it('go on while a line ends so', async () => {
    writeFileSync(log(), 'a \\\nb \\\nc\nd\n')
    const source = await started({ 'multiline.pattern': String.raw`\\$`, 'multiline.mode': 'unfinished' })
    await source.poll()
    expect(values(source)).toEqual(['a \\\nb \\\nc', 'd'])
  })

  it('are bounded in lines and bytes, so that a wrong pattern fills no memory', async () => {
    writeFileSync(log(), `${Array.from({ length: 10 }, (_, i) => `  ${i}`).join('\n')}\n`)
    const source = await started({ 'multiline.pattern': String.raw`^\S`, 'multiline.max.lines': '4' })
    await source.poll()
    expect(values(source)).toEqual(['  0\n  1\n  2\n  3', '  4\n  5\n  6\n  7'])
    const bytes = await started({ 'multiline.pattern': String.raw`^\S`, 'multiline.max.bytes': '8' })
    await bytes.poll()
    expect(values(bytes)).toEqual(['  0\n  1', '  2\n  3', '  4\n  5', '  6\n  7'])
  })

  it.each(['skip', 'dead-letter'])('are given before a line that is too long, so that its position does not pass over them: %s', async (policy) => {
    writeFileSync(log(), `A\n a\n${'x'.repeat(200)}\n b\nC\n`)
    const source = await started({ 'multiline.pattern': String.raw`^\S`, 'max.line.bytes': '100', 'line.too.long': policy, 'dead.letter.topic': 'dead', 'batch.bytes': '4096' })
    await source.poll()
    expect(source.given.filter(({ topic }) => topic === 'lines').map(({ value }) => value)).toEqual(['A\n a', ' b'])
    source.commit(policy === 'skip' ? 1 : 2)
    await source.crash()
    await source.start()
    await source.poll()
    expect(source.given.filter(({ topic }) => topic === 'lines').map(({ value }) => value)).toEqual(['A\n a', ' b'])
  })

  it('of two files are kept apart', async () => {
    writeFileSync(join(folder, 'a.log'), 'A\n a\n')
    writeFileSync(join(folder, 'b.log'), 'B\n b\n')
    const source = await started({ path: join(folder, '*.log'), 'multiline.pattern': String.raw`^\S`, 'batch.bytes': '4096' })
    for (let polls = 0; polls < 8; polls++) await source.poll()
    expect(source.texts.toSorted()).toEqual(['A\n a', 'B\n b'])
  })
})

describe('formats', () => {
  it('CSV takes its header from each file, also after a restart, and quoted line ends are part of a field', async () => {
    writeFileSync(log(), 'id,name\n1,"two\nlines"\n2,plain\n')
    const source = await started({ format: 'csv', 'field.types': 'id:int' })
    await source.poll()
    expect(values(source)).toEqual([{ id: 1, name: 'two\nlines' }, { id: 2, name: 'plain' }])
    source.commit(1)
    await source.crash()
    appendFileSync(log(), '3,"x"\n')
    await source.start()
    await source.drain()
    expect(values(source)).toEqual([{ id: 1, name: 'two\nlines' }, { id: 2, name: 'plain' }, { id: 3, name: 'x' }])
  })

  it('the time of a record can come from a field', async () => {
    writeFileSync(log(), '{"at":"2026-11-21T00:00:00Z"}\n{"at":"later"}\n')
    const source = await started({ format: 'json', 'timestamp.field': 'at', 'bad.line': 'skip' })
    await source.drain()
    expect(values(source)).toEqual([{ at: '2026-11-21T00:00:00Z' }])
    expect(source.log.lines).toEqual([`warn ${log()}, byte 30: passed over: the field at holds "later", which is no time: milliseconds since the epoch or ISO 8601 is expected`])
  })

  it.each([{}, { 'headers.position': 'true' }])('reads JSON of every kind, as text that is passed on and as values that are made (%o), and goes on between any two lines', async (config) => {
    const lines = ['{"a":1}', '', ' [1, 2.5] ', '"ä"', 'null', '9007199254740993', 'true', '{"b":"\\u00e4"}']
    const expected = [{ a: 1 }, [1, 2.5], 'ä', null, 9007199254740993n, true, { b: 'ä' }]
    writeFileSync(log(), `\uFEFF${lines.join('\r\n')}\n`)
    const source = await started({ format: 'json', ...config })
    await source.drain()
    expect(values(source)).toEqual(expected)
    for (let committed = 1; committed <= expected.length; committed++) {
      source.commit(1)
      await source.crash()
      await source.start()
      await source.drain()
      expect(values(source), `after ${committed}`).toEqual(expected)
    }
  })

  it.each([{}, { format: 'json' }, { encoding: 'utf-16le' }])('numbers lines as they stand in their file, too long ones counted, also after a restart and after a rotation (%o)', async (config) => {
    const bytes = (lines: readonly string[]) => Buffer.from(lines.map((line) => `${line}\n`).join(''), 'encoding' in config ? 'utf16le' : 'utf8')
    writeFileSync(log(), bytes(['1', '2', '3'.repeat(20), '4']))
    const source = await started({ 'headers.line': 'true', 'max.line.bytes': '16', 'bad.line': 'skip', ...config })
    const numbers = () => source.given.map(({ headers }) => headers['file.line'])
    await source.drain()
    source.commit(2)
    await source.crash()
    await source.start()
    appendFileSync(log(), bytes(['5', '6']))
    await source.drain()
    expect(numbers()).toEqual(['1', '2', '3', '4', '5', '6'])
    renameSync(log(), `${log()}.1`)
    writeFileSync(log(), bytes(['7', '8']))
    await source.drain()
    expect(numbers().slice(6)).toEqual(['1', '2'])
  })

  it('passes lines of JSON on as they are written', async () => {
    writeFileSync(log(), '{"a": 1.0}\n{"a":2}\n')
    const source = await started({ format: 'json' })
    await source.drain()
    expect(source.texts).toEqual(['{"a": 1.0}', '{"a":2}'])
  })

  it('a line that is not of the format goes to the dead letters with file and position', async () => {
    writeFileSync(log(), '{"a":1}\nno json\n{"a":2}\n')
    const source = await started({ format: 'json', 'bad.line': 'dead-letter', 'dead.letter.topic': 'dead' })
    await source.drain()
    expect(source.given.map(({ topic, value }) => [topic, value])).toEqual([['lines', { a: 1 }], ['dead', 'no json'], ['lines', { a: 2 }]])
    expect(source.given[1]!.headers).toMatchObject({ 'file.path': log(), 'file.position': '8', 'file.error': expect.stringContaining('not JSON') as string })
    expect(source.given[1]!.headers).toMatchObject({ '__connect.errors.exception.message': expect.stringMatching(/log, byte 8: not JSON/) as string })
  })

  it('or stops the task, which says where', async () => {
    writeFileSync(log(), 'ä\nno json\n')
    const source = await started({ format: 'logfmt' })
    await expect(source.drain()).resolves.toBeUndefined()
    const strict = await started({ format: 'json' })
    await expect(strict.drain()).rejects.toMatchObject({ code: 'INVALID_DATA', message: expect.stringMatching(/app\.log, byte 0: not JSON.*Set bad\.line/) as string })
  })

  it('records can tell their position', async () => {
    writeFileSync(log(), 'ä\nb\n')
    const source = await started({ 'headers.position': 'true', headers: 'true' })
    await source.drain()
    expect(source.given.map(({ value, headers }) => [value, headers['file.position'], headers['file.path']])).toEqual([['ä', '0', log()], ['b', '3', log()]])
  })
})
