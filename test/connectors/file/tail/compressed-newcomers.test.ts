import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { spawnSync } from 'node:child_process'
import { isStreamError, sleep, systemClock, zstdCodec } from 'millrace/connect'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileSource } from '../../../../connectors/file/plugins.ts'
import { SourceHarness } from '../../../kit/source-harness.ts'

let folder: string
let harnesses: { stop(): Promise<void> }[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-compressed-'))
})

afterEach(async () => {
  for (const harness of harnesses) await harness.stop()
  harnesses = []
  rmSync(folder, { recursive: true, force: true })
})

const at = (name: string) => join(folder, name)
const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `line ${from + i}`)
const text = (from: number, to: number) => lines(from, to).map((line) => `${line}\n`).join('')
const append = (name: string, from: number, to: number) => appendFileSync(at(name), text(from, to))

/** As gzip does: the time of the last change stays, the original goes. */
function compress(name: string) {
  const { atime, mtime } = statSync(at(name))
  writeFileSync(at(`${name}.gz`), gzipSync(readFileSync(at(name))))
  utimesSync(at(`${name}.gz`), atime, mtime)
  unlinkSync(at(name))
}

/** Node before 22.15 needs an optional package for it. */
function canInflateZstd(): boolean {
  try {
    zstdCodec.inflate(Buffer.from('28b52ffd0400010000619a6ba1ba', 'hex'), 10)
    return true
  } catch (error) {
    return !isStreamError(error, 'UNSUPPORTED_COMPRESSION_TYPE')
  }
}

function harness(config: Record<string, string> = {}) {
  const made = new SourceHarness(fileSource, { path: at('access.log*'), topic: 'lines', watch: 'false', 'rescan.interval.ms': '1', 'rotated.idle.ms': '1', ...config })
  harnesses.push(made)
  return made
}

type ReadSource = Pick<SourceHarness<unknown, unknown>, 'poll' | 'texts' | 'log'>

/** Polls until it is so, and a few times more. Inflating happens beside reading: that nothing comes does not mean that nothing will. */
async function settle(source: ReadSource, isSo: () => boolean) {
  for (let tries = 0; !isSo() && tries < 2_000; tries++) {
    if ((await source.poll()) === 0) await sleep(systemClock, 10)
  }
  for (let more = 0; more < 6; more++) {
    await sleep(systemClock, 10)
    await source.poll()
  }
}

const read = (source: ReadSource, count: number) => settle(source, () => source.texts.length >= count)
const complain = (source: ReadSource) => settle(source, () => source.log.lines.length > 0)

describe('compressed files', () => {
  it('are read once, in whichever of the two ways they are compressed', async () => {
    writeFileSync(at('access.log.1.gz'), gzipSync(Buffer.from(text(0, 20_000))))
    const source = harness()
    await source.start()
    await read(source, 20_000)
    expect(source.texts).toEqual(lines(0, 20_000))
    source.commit()
    await source.crash()
    await source.start()
    await read(source, 20_000)
    expect(source.texts).toHaveLength(20_000)
    expect([...source.committed.values()]).toMatchObject([{ done: true, path: at('access.log.1.gz') }])
  })

  it.skipIf(!canInflateZstd() || spawnSync('zstd', ['--version']).status !== 0)('compressed with zstd are read, too', async () => {
    writeFileSync(at('access.log.1'), text(0, 1_000))
    spawnSync('zstd', ['-q', '--rm', at('access.log.1')])
    const source = harness()
    await source.start()
    await read(source, 1_000)
    expect(source.texts).toEqual(lines(0, 1_000))
  })

  it('go on behind the committed line after a crash in the middle', async () => {
    writeFileSync(at('access.log.1.gz'), gzipSync(Buffer.from(text(0, 5_000))))
    const source = harness({ 'batch.bytes': '4096' })
    await source.start()
    for (let polls = 0; source.texts.length < 500 && polls < 1_000; polls++) await source.poll()
    source.commit(313)
    await source.crash()
    await source.start()
    await read(source, 5_000)
    expect(source.texts).toEqual(lines(0, 5_000))
  })

  it('that were read before they were compressed are not read again, nor after any number of restarts', async () => {
    append('access.log', 0, 10)
    const source = harness()
    await source.start()
    await read(source, 10)
    renameSync(at('access.log'), at('access.log.1'))
    append('access.log', 10, 20)
    await read(source, 20)
    compress('access.log.1')
    source.commit()
    await read(source, 20)
    source.commit()
    for (let restarts = 0; restarts < 3; restarts++) {
      await source.crash()
      await source.start()
      await read(source, 20)
      source.commit()
    }
    expect(source.texts).toEqual(lines(0, 20))
  })

  it('made while the connector was down are read from where the file had been read to', async () => {
    append('access.log', 0, 10)
    const source = harness()
    await source.start()
    await read(source, 10)
    source.commit(7)
    await source.crash()
    append('access.log', 10, 15)
    renameSync(at('access.log'), at('access.log.1'))
    compress('access.log.1')
    append('access.log', 15, 20)
    await source.start()
    await read(source, 20)
    expect(source.texts.toSorted((a, b) => Number(a.slice(5)) - Number(b.slice(5)))).toEqual(lines(0, 20))
  })

  it('beside a log that `path` names alone are found when they hold what was not read', async () => {
    append('access.log', 0, 10)
    writeFileSync(at('access.log.9.gz'), gzipSync(Buffer.from('ancient\n')))
    utimesSync(at('access.log.9.gz'), 1, 1)
    const source = harness({ path: at('access.log') })
    await source.start()
    await read(source, 10)
    source.commit()
    await source.crash()
    append('access.log', 10, 15)
    renameSync(at('access.log'), at('access.log.1'))
    compress('access.log.1')
    append('access.log', 15, 20)
    await source.start()
    await read(source, 20)
    expect(new Set(source.texts)).toEqual(new Set(lines(0, 20)))
    expect(source.texts).toHaveLength(20)
  })

  it('that are not whole yet are complained about and read when they are (vector#13193)', async () => {
    const whole = gzipSync(Buffer.from(text(0, 3_000)))
    writeFileSync(at('access.log.1.gz'), whole.subarray(0, whole.length - 10))
    const source = harness()
    await source.start()
    await complain(source)
    expect(source.texts).toEqual([])
    expect(source.log.lines).toEqual([expect.stringContaining('access.log.1.gz cannot be inflated: unexpected end of file') as string])
    writeFileSync(at('access.log.1.gz'), whole)
    await read(source, 3_000)
    expect(source.texts).toEqual(lines(0, 3_000))
  })

  it('that inflate to too much are refused', async () => {
    writeFileSync(at('access.log.1.gz'), gzipSync(Buffer.alloc(5 << 20, 'x\n')))
    const source = harness({ 'compressed.max.bytes': '1000000' })
    await source.start()
    await complain(source)
    expect(source.texts).toEqual([])
    expect(source.log.lines[0]).toContain('it inflates to more than compressed.max.bytes=1000000')
  })
})
