import { appendFileSync, chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Decimal, Struct, schema } from 'millrace/connect'
import { fileSink } from '../../../connectors/file/plugins.ts'
import { SinkHarness } from '../../kit/sink-harness.ts'

let folder: string
let sinks: { stop(): Promise<void> }[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-file-sink-'))
})

afterEach(async () => {
  for (const sink of sinks) await sink.stop()
  sinks = []
  rmSync(folder, { recursive: true, force: true })
})

function sinkTo(file = 'out', config: Record<string, string> = {}) {
  const sink = new SinkHarness(fileSink, { path: join(folder, file), ...config })
  sinks.push(sink)
  return sink
}

const linesIn = (file: string) => readFileSync(join(folder, file), 'utf8').split('\n').slice(0, -1)
const texts = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => ({ value: `record ${from + i}` }))
const values = (from: number, to: number) => texts(from, to).map(({ value }) => value)

describe('FileSink', () => {
  it('appends text as it is, and anything else as JSON', async () => {
    const sink = sinkTo('deep/folder/out')
    const shape = schema.struct({ id: schema.int64(), price: schema.decimal(2), at: schema.timestamp(), raw: schema.bytes() })
    const struct = new Struct(shape, { id: 2n ** 60n, price: Decimal.parse('1.50'), at: new Date(0), raw: Buffer.from('hi') })
    sink.append('t', 0, { value: 'plain' }, { value: { a: [1, null] } }, { value: null }, { value: struct }, { value: new Map([['k', 1]]) })
    await sink.start()
    await sink.put()
    expect(linesIn('deep/folder/out')).toEqual([
      'plain', '{"a":[1,null]}', 'null', '{"id":"1152921504606846976","price":"1.50","at":"1970-01-01T00:00:00.000Z","raw":"aGk="}', '{"k":1}',
    ])
  })

  it('writes whole records when told so', async () => {
    const sink = sinkTo('out', { format: 'record' })
    sink.append('t', 3, { key: { path: '/a' }, value: 7, timestamp: 5 })
    await sink.start()
    await sink.put()
    expect(linesIn('out').map((line) => JSON.parse(line) as unknown)).toEqual([{ topic: 't', partition: 3, offset: 0, timestamp: 5, key: { path: '/a' }, value: 7 }])
  })

  it('writes a file for each topic and partition when the name says so', async () => {
    const sink = sinkTo('{topic}/{partition}.jsonl')
    sink.append('a', 0, { value: 1 })
    sink.append('a', 1, { value: 2 })
    sink.append('b', 0, { value: 3 })
    await sink.start()
    await sink.put()
    expect(['a/0.jsonl', 'a/1.jsonl', 'b/0.jsonl'].map(linesIn)).toEqual([['1'], ['2'], ['3']])
  })

  it('has one task, unless each partition has a file of its own', () => {
    for (const [file, tasks] of [['/o/{topic}', 1], ['/o/{topic}-{partition}', 3]] as const) {
      const connector = fileSink.createConnector()
      void connector.start({ path: file, file: null, format: 'value' }, undefined as never)
      expect(connector.taskConfigs(3)).toHaveLength(tasks)
    }
  })

  it('holds each record once, wherever it was killed', async () => {
    const sink = sinkTo()
    sink.append('t', 0, ...texts(0, 100))
    await sink.start()
    for (let step = 0; step < 12; step++) {
      await sink.put(7)
      if (step % 3 === 1) await sink.commit()
      if (step % 2 === 1) {
        await sink.stop()
        if (step % 4 === 3) appendFileSync(join(folder, 'out'), '{"torn": "li') // a write that the crash cut in two
        await sink.start()
      }
    }
    while ((await sink.put(7)) > 0);
    expect(linesIn('out')).toEqual(values(0, 100))
  })

  it.each(['a new file', 'a file that was there before', 'the successor of a file that was moved away'])('holds each record once in %s, killed before its first commit', async (kind) => {
    if (kind === 'a file that was there before') writeFileSync(join(folder, 'out'), 'older\n')
    const sink = sinkTo()
    sink.append('t', 0, ...texts(0, 6))
    await sink.start()
    if (kind.startsWith('the successor')) {
      await sink.put(2)
      await sink.commit()
      await sink.stop()
      renameSync(join(folder, 'out'), join(folder, 'out.1'))
      await sink.start()
    }
    await sink.put(3)
    await sink.stop()
    await sink.start()
    await sink.put()
    const before = { 'a new file': values(0, 0), 'a file that was there before': ['older'] }[kind] ?? values(0, 0)
    expect(linesIn('out')).toEqual([...before, ...values(kind.startsWith('the successor') ? 2 : 0, 6)])
  })

  it('goes by its manifest and not by what was committed elsewhere', async () => {
    const sink = sinkTo()
    sink.append('t', 0, ...texts(0, 4))
    await sink.start()
    await sink.put(2)
    await sink.commit()
    await sink.put(1)
    await sink.stop()
    const behind = sinkTo() // its committed offset is 0: the one before died between manifest and commit
    behind.append('t', 0, ...texts(0, 4))
    await behind.start()
    await behind.put()
    expect(linesIn('out')).toEqual(values(0, 4))
  })

  it('adds to a file that was there before', async () => {
    writeFileSync(join(folder, 'out'), 'older\n')
    const sink = sinkTo()
    sink.append('t', 0, ...texts(0, 1))
    await sink.start()
    await sink.put()
    await sink.commit()
    await sink.stop()
    await sink.start()
    expect(linesIn('out')).toEqual(['older', 'record 0'])
  })

  it('begins a new file when the old one was moved away, and repeats nothing', async () => {
    const sink = sinkTo()
    sink.append('t', 0, ...texts(0, 4))
    await sink.start()
    await sink.put(2)
    await sink.commit()
    await sink.stop()
    renameSync(join(folder, 'out'), join(folder, 'out.1'))
    await sink.start()
    await sink.put()
    expect([linesIn('out.1'), linesIn('out')]).toEqual([values(0, 2), values(2, 4)])
  })

  it('says so when somebody cut the file, and goes on', async () => {
    const sink = sinkTo()
    sink.append('t', 0, ...texts(0, 2))
    await sink.start()
    await sink.put(1)
    await sink.commit()
    await sink.stop()
    truncateSync(join(folder, 'out'), 0)
    await sink.start()
    await sink.put()
    expect(linesIn('out')).toEqual(['record 1'])
    expect(sink.log.lines).toEqual([`warn ${join(folder, 'out')} has 0 bytes, 9 less than were written: somebody cut it. Going on at its end`])
  })

  it('says so when the topic was made anew, instead of leaving out its records', async () => {
    const sink = sinkTo()
    sink.append('t', 0, ...texts(0, 5))
    await sink.start()
    await sink.put()
    await sink.commit()
    await sink.stop()
    const anew = sinkTo()
    anew.append('t', 0, ...texts(0, 2))
    await anew.start()
    anew.resetBeyondEnd()
    await expect(anew.put()).rejects.toThrow(/t-0 was written up to offset 5, but the topic goes on at 0: it was made anew/)
  })

  it('rejects the record that cannot be written, and writes the others', async () => {
    const sink = sinkTo()
    const loop: Record<string, unknown> = {}
    loop['self'] = loop
    sink.append('t', 0, { value: 1 }, { value: loop }, { value: 2 })
    await sink.start()
    await sink.put()
    expect(linesIn('out')).toEqual(['1', '2'])
    expect(sink.rejected.map(({ record }) => record.offset)).toEqual([1])
  })

  it('refuses a manifest that it does not understand, naming it', async () => {
    writeFileSync(join(folder, 'out.offsets.json'), '{"version": 2}')
    const sink = sinkTo()
    sink.append('t', 0, { value: 1 })
    await expect(sink.start()).rejects.toMatchObject({ code: 'CONNECTOR_FAILED', message: expect.stringContaining(`${join(folder, 'out.offsets.json')} is not a manifest`) as string })
    expect(existsSync(join(folder, 'out'))).toBe(true)
  })

  it('names a folder in which it may not write', async () => {
    const privileged = process.getuid?.() === 0
    chmodSync(folder, 0o555)
    if (privileged) process.seteuid!(65534) // root may write everywhere
    try {
      const sink = sinkTo('sub/out')
      sink.append('t', 0, { value: 1 })
      await expect(sink.start()).rejects.toThrow(`${join(folder, 'sub/out')} cannot be opened for writing (EACCES)`)
    } finally {
      if (privileged) process.seteuid!(0)
      chmodSync(folder, 0o755)
    }
  })

  it.skipIf(!existsSync('/proc/self'))('names a folder that the system lets nobody make, and does not try for ever', async () => {
    const sink = new SinkHarness(fileSink, { path: '/proc/nowhere/out' })
    sink.append('t', 0, { value: 1 })
    await expect(sink.start()).rejects.toThrow('/proc/nowhere/out cannot be opened for writing (ENOENT)')
  })

  it.skipIf(!existsSync('/dev/full'))('waits for room when the disk is full, without a torn line', async () => {
    const sink = new SinkHarness(fileSink, { path: '/dev/full' })
    sink.append('t', 0, { value: 1 })
    await sink.start()
    await expect(sink.put()).rejects.toMatchObject({ retriable: true, message: expect.stringContaining('/dev/full: the disk is full; free some space') as string })
    await sink.stop()
  })
})

describe('FileSink config', () => {
  it('takes the file by either name, and needs one', () => {
    expect(fileSink.config.parse({ file: '/a' })).toMatchObject({ file: '/a' })
    expect(() => fileSink.config.parse({})).toThrow('path must name the file to write')
  })
})
