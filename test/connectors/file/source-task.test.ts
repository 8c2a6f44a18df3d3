import { appendFileSync, chmodSync, copyFileSync, existsSync, mkdirSync, openSync, closeSync, renameSync, rmSync, symlinkSync, truncateSync, unlinkSync, utimesSync, writeFileSync, writeSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { append, at, folderForEach, harness, lines, started } from '../../kit/file-source.ts'

folderForEach()

describe('reading lines', () => {
  it('gives every line of a file that grows, once and in order', async () => {
    append('access.log', 0, 3)
    const source = await started()
    await source.drain()
    append('access.log', 3, 5)
    await source.drain()
    expect(source.texts).toEqual(lines(0, 5))
    expect(source.given.every(({ topic }) => topic === 'lines')).toBe(true)
  })

  it('lets a last line wait for its newline, \\r\\n and empty lines included', async () => {
    writeFileSync(at('access.log'), 'one\r\n\ntwo\r')
    const source = await started()
    await source.drain()
    expect(source.texts).toEqual(['one', ''])
    appendFileSync(at('access.log'), '\nthree')
    await source.drain()
    expect(source.texts).toEqual(['one', '', 'two'])
    appendFileSync(at('access.log'), ' and more\n')
    await source.drain()
    expect(source.texts).toEqual(['one', '', 'two', 'three and more'])
  })

  it('waits for a file that does not exist yet, and for its folder', async () => {
    const source = await started({ path: at('later/access.log') })
    await source.drain()
    expect(source.log.lines).toEqual([
      `warn ${at('later')} cannot be listed (ENOENT): waiting for it`,
      `warn no file is named by ${at('later/access.log')}; waiting for one (relative paths count from ${process.cwd()})`,
    ])
    mkdirSync(at('later'))
    append('later/access.log', 0, 2)
    await source.drain()
    expect(source.texts).toEqual(lines(0, 2))
  })

  it('says that a path is a folder', async () => {
    const source = await started({ path: at('') })
    await source.drain()
    expect(source.log.lines).toEqual([`warn ${at('')} is a folder, and nothing of it is read; name the files in it, such as ${at('*.log')}`])
  })

  it('reads many files by turns, so that a huge one does not hold up the others', async () => {
    append('huge.log', 0, 200_000)
    for (let i = 0; i < 5; i++) append(`small-${'abcde'[i]}.log`, i, i + 1)
    const source = await started({ path: at('*.log'), 'batch.bytes': '65536' })
    for (let i = 0; i < 3; i++) await source.poll()
    expect(source.texts.filter((text) => ['line 1', 'line 2', 'line 3', 'line 4'].includes(text)).length).toBeGreaterThanOrEqual(8)
    expect(source.texts.length).toBeLessThan(100_000)
    await source.drain()
    expect(source.texts).toHaveLength(200_005)
  })

  it('begins at the end when told so, yet reads files that come later from their beginning', async () => {
    append('a.log', 0, 3)
    appendFileSync(at('a.log'), 'half')
    const source = await started({ path: at('*.log'), 'start.position': 'end' })
    await source.drain()
    expect(source.texts).toEqual([])
    appendFileSync(at('a.log'), ' a line\n')
    append('b.log', 7, 8)
    await source.drain()
    expect(source.texts.toSorted()).toEqual(['half a line', 'line 7'])
  })

  it('gives the path and identity as headers', async () => {
    append('access.log', 0, 1)
    const source = await started({ headers: 'true' })
    await source.drain()
    expect(source.given[0]!.headers).toMatchObject({ 'file.path': at('access.log'), 'file.inode': source.given[0]!.partition['inode'] })
  })

  it('leaves out excluded and, when told so, compressed files', async () => {
    for (const name of ['a.log', 'b.log', 'c.log.gz']) append(name, 0, 1)
    const source = await started({ path: at('*'), exclude: at('b.*'), compressed: 'false' })
    await source.drain()
    expect(source.given).toHaveLength(1)
    expect(source.log.lines).toEqual([`warn ${at('c.log.gz')} is not read: it is compressed, and compressed=false`])
  })

  it('notices growth at once when it watches', async () => {
    append('access.log', 0, 1)
    const { systemClock } = await import('millrace/connect')
    const source = harness({ watch: 'true', 'poll.interval.ms': '60000', 'rescan.interval.ms': '60000' }, systemClock)
    await source.start()
    while ((await source.poll()) === 0);
    append('access.log', 1, 2)
    for (let tries = 0; source.texts.length < 2 && tries < 20; tries++) await source.poll()
    expect(source.texts).toEqual(lines(0, 2))
  })
})

describe('restarting', () => {
  it('goes on at the byte after the last committed line, with multi-byte characters', async () => {
    const texts = ['grün', '日本語', '🦆 and 🐸', 'ascii', 'ende']
    writeFileSync(at('access.log'), texts.map((text) => `${text}\r\n`).join(''))
    for (let committed = 0; committed <= texts.length; committed++) {
      const source = harness()
      await source.start()
      await source.drain()
      source.commit(committed)
      await source.crash()
      await source.start()
      await source.drain()
      expect(source.texts).toEqual(texts)
    }
  })

  it('reads nothing again after a restart of a file that was read to its end (vector#7990, beats#1341)', async () => {
    append('access.log', 0, 100)
    const source = await started()
    await source.drain()
    source.commit()
    await source.crash()
    await source.start()
    await source.drain()
    expect(source.texts).toEqual(lines(0, 100))
  })

  it('finds the file that was renamed in the meantime, and what its successor got', async () => {
    append('access.log', 0, 10)
    const source = await started()
    await source.drain()
    source.commit(6)
    await source.crash()
    append('access.log', 10, 12)
    renameSync(at('access.log'), at('access.log.1'))
    append('access.log', 12, 15)
    await source.start()
    await source.drain()
    expect(source.texts).toEqual(lines(0, 15))
  })

  it('reads rotated files that it never saw as the present one, however often the log rotated', async () => {
    append('access.log', 0, 10)
    append('access.log.1', 900, 910) // older than the first start: not asked for
    utimesSync(at('access.log.1'), 1, 1)
    const source = await started()
    await source.drain()
    source.commit(4)
    await source.crash()
    for (let turn = 1; turn <= 3; turn++) {
      for (let n = 3; n >= 1; n--) if (existsSync(at(`access.log.${n}`))) renameSync(at(`access.log.${n}`), at(`access.log.${n + 1}`))
      renameSync(at('access.log'), at('access.log.1'))
      append('access.log', turn * 10, turn * 10 + 10)
    }
    await source.start()
    await source.drain()
    expect(source.texts).toEqual(lines(0, 40))
  })

  it('tells a new file that got the inode of the old one (vector#25079, beats#36541)', async () => {
    append('access.log', 0, 10)
    const source = await started()
    await source.drain()
    source.commit()
    const [stored] = [...source.committed.keys()]
    await source.crash()
    // The same inode in place of a deleted file: another first line, more bytes than were read.
    writeFileSync(at('access.log'), lines(50, 80).map((line) => `${line}\n`).join(''))
    await source.start()
    await source.drain()
    expect(source.texts).toEqual([...lines(0, 10), ...lines(50, 80)])
    expect(JSON.parse(stored!)).toMatchObject({ inode: source.given.at(-1)!.partition['inode'] })
  })

  it('tells it even when both begin with the same header (vector discussion 17520)', async () => {
    writeFileSync(at('access.log'), '#header\n')
    append('access.log', 0, 10)
    const source = await started()
    await source.drain()
    source.commit()
    await source.crash()
    writeFileSync(at('access.log'), '#header\n')
    append('access.log', 50, 80)
    await source.start()
    await source.drain()
    expect(source.texts).toEqual(['#header', ...lines(0, 10), '#header', ...lines(50, 80)])
  })
})

describe('rotation', () => {
  it('drains a renamed file before its successor, though its writer still has it open (fluent-bit#10414)', async () => {
    const writer = openSync(at('access.log'), 'a')
    writeSync(writer, 'line 0\n')
    const source = await started()
    await source.drain()
    writeSync(writer, 'line 1\n')
    renameSync(at('access.log'), at('access.log.1'))
    append('access.log', 2, 3)
    await source.drain()
    writeSync(writer, 'late\n')
    closeSync(writer)
    await source.drain()
    expect(source.texts).toEqual([...lines(0, 3), 'late'])
  })

  it('drains a deleted file and reads the one created in its place (vector#15885)', async () => {
    append('access.log', 0, 5)
    const source = await started()
    await source.poll()
    append('access.log', 5, 8)
    unlinkSync(at('access.log'))
    append('access.log', 8, 10)
    await source.drain()
    expect(source.texts).toEqual(lines(0, 10))
  })

  it('gives a last line without newline when the rotated file stays quiet, and closes the file', async () => {
    appendFileSync(at('access.log'), 'whole\nhalf')
    const source = await started({ 'rotated.idle.ms': '500' })
    await source.drain()
    renameSync(at('access.log'), at('access.log.1'))
    append('access.log', 0, 1)
    for (let i = 0; i < 5; i++) await source.drain()
    expect(source.texts).toEqual(['whole', 'line 0', 'half'])
    appendFileSync(at('access.log.1'), '\nmuch later\n') // a writer that wakes up: the file is opened again
    await source.drain()
    expect(source.texts).toEqual(['whole', 'line 0', 'half', '', 'much later'])
  })

  it('reads a file from its beginning that is shorter than the position stored for it (fluent-bit#11455)', async () => {
    append('access.log', 0, 3)
    const source = await started()
    await source.drain()
    source.commit()
    for (const [partition, offset] of source.committed) source.committed.set(partition, { ...offset, position: 1_000_000 })
    await source.crash()
    await source.start()
    await source.drain()
    expect(source.texts).toEqual([...lines(0, 3), ...lines(0, 3)])
  })

  it('reads a truncated file from its beginning', async () => {
    append('access.log', 0, 10)
    const source = await started()
    await source.drain()
    truncateSync(at('access.log'), 0)
    await source.drain()
    append('access.log', 10, 12)
    await source.drain()
    expect(source.texts).toEqual(lines(0, 12))
  })

  it('notices a file that was cut and has grown beyond the old position between two looks (fluent-bit#9580)', async () => {
    append('access.log', 0, 10)
    const source = await started()
    await source.drain()
    writeFileSync(at('access.log'), lines(10, 40).map((line) => `${line}\n`).join(''))
    await source.drain()
    expect(source.texts).toEqual(lines(0, 40))
  })

  it('notices a file that was written anew to the same size', async () => {
    append('access.log', 10, 20)
    const source = await started()
    await source.drain()
    writeFileSync(at('access.log'), lines(20, 30).map((line) => `${line}\n`).join(''))
    utimesSync(at('access.log'), 5, 5)
    await source.drain()
    expect(source.texts).toEqual(lines(10, 30))
  })

  it('reads nothing twice when the log is rotated by copying, and finds what only the copy holds (beats#39731)', async () => {
    append('access.log', 0, 10)
    const source = await started({ path: at('access.log*') })
    await source.drain()
    append('access.log', 10, 12)
    copyFileSync(at('access.log'), at('access.log.1'))
    truncateSync(at('access.log'), 0)
    append('access.log', 12, 14)
    await source.drain()
    expect(source.texts.toSorted()).toEqual(lines(0, 14).toSorted())
  })

  it('leaves a copy alone while its original is still there', async () => {
    append('access.log', 0, 10)
    const source = await started({ path: at('access.log*') })
    await source.drain()
    copyFileSync(at('access.log'), at('access.log.1'))
    append('access.log', 10, 12)
    await source.drain()
    expect(source.texts).toEqual(lines(0, 12))
  })

  it('finds what only the copy holds after a restart, too', async () => {
    append('access.log', 0, 10)
    const source = await started()
    await source.drain()
    source.commit(7)
    await source.crash()
    copyFileSync(at('access.log'), at('access.log.1'))
    truncateSync(at('access.log'), 0)
    append('access.log', 10, 14)
    await source.start()
    await source.drain()
    expect(source.texts).toEqual(lines(0, 14))
  })

  it('follows a symbolic link to its new target', async () => {
    append('one', 0, 3)
    append('two', 3, 6)
    symlinkSync(at('one'), at('access.log'))
    const source = await started()
    await source.drain()
    unlinkSync(at('access.log'))
    symlinkSync(at('two'), at('access.log'))
    await source.drain()
    expect(source.texts).toEqual(lines(0, 6))
  })

  it('tells empty files from each other once they hold a line (vector#643)', async () => {
    for (const name of ['a.log', 'b.log', 'c.log']) writeFileSync(at(name), '')
    const source = await started({ path: at('*.log') })
    await source.drain()
    append('c.log', 0, 2)
    append('a.log', 2, 4)
    await source.drain()
    source.commit()
    await source.crash()
    append('b.log', 4, 6)
    await source.start()
    await source.drain()
    expect(source.texts.toSorted()).toEqual(lines(0, 6))
  })

  it('keeps files apart that begin alike', async () => {
    for (const name of ['a.log', 'b.log']) writeFileSync(at(name), '#header\n')
    append('a.log', 0, 3)
    append('b.log', 5, 8)
    const source = await started({ path: at('*.log') })
    await source.drain()
    expect(source.texts.toSorted()).toEqual(['#header', '#header', ...lines(0, 3), ...lines(5, 8)])
  })
})

describe('trouble', () => {
  it('says once that a file cannot be read, goes on with the others, and reads it when it can', async () => {
    append('a.log', 0, 1)
    symlinkSync(at('a.log'), at('folder.log'))
    rmSync(at('folder.log'))
    append('b.log', 5, 6)
    chmodSync(at('a.log'), 0)
    const privileged = process.getuid?.() === 0
    if (privileged) process.seteuid!(65534) // root may read everything
    if (privileged) chmodForOthers()
    try {
      const source = await started({ path: at('*.log') })
      await source.drain()
      expect(source.texts).toEqual(['line 5'])
      expect(source.log.lines).toEqual([`warn ${at('a.log')} cannot be read (EACCES); let this user read it; it is tried again at every rescan`])
      if (privileged) process.seteuid!(0)
      chmodSync(at('a.log'), 0o644)
      await source.drain()
      expect(source.texts).toEqual(['line 5', 'line 0'])
      expect(source.log.lines.at(-1)).toBe(`info ${at('a.log')} can be read again`)
    } finally {
      if (privileged) process.seteuid!(0)
    }
  })

  it.each([
    ['truncate', 'lines', 'x'.repeat(1000)],
    ['dead-letter', 'dead', 'x'.repeat(1000)],
  ])('bounds a line of 50 MB by choice: %s', async (policy, topic, kept) => {
    const long = Buffer.alloc(50 << 20, 'x')
    writeFileSync(at('access.log'), 'before\n')
    appendFileSync(at('access.log'), long)
    const source = await started({ 'max.line.bytes': '1000', 'line.too.long': policy, 'dead.letter.topic': 'dead' })
    await source.drain()
    appendFileSync(at('access.log'), '\nafter\n')
    await source.drain()
    expect(source.texts).toEqual(['before', kept, 'after'])
    expect(source.given[1]).toMatchObject({ topic, headers: { 'file.line.bytes': String(50 << 20) } })
    source.commit(2)
    await source.crash()
    await source.start()
    await source.drain()
    expect(source.texts.at(-1)).toBe('after')
    expect(source.texts).toHaveLength(3)
  })

  it('passes over long lines when told so, wherever they stand in a chunk', async () => {
    writeFileSync(at('access.log'), `${'y'.repeat(40)}\nshort\n${'z'.repeat(41)}\n${'w'.repeat(39)}\n${'v'.repeat(9000)}\nend\n`)
    const source = await started({ 'max.line.bytes': '40', 'line.too.long': 'skip', 'batch.bytes': '8192' })
    await source.drain()
    expect(source.texts).toEqual(['y'.repeat(40), 'short', 'w'.repeat(39), 'end'])
    expect(source.log.lines[0]).toBe(`warn ${at('access.log')}: the line at byte 47 has 41 bytes, more than max.line.bytes=40: skip`)
  })

  it('does not cut a character in two', async () => {
    writeFileSync(at('access.log'), `${'€'.repeat(10)}\n`)
    const source = await started({ 'max.line.bytes': '10' })
    await source.drain()
    expect(source.texts).toEqual(['€€€'])
  })

  it('reads a line that is longer than a chunk but allowed', async () => {
    const long = 'ä'.repeat(50_000)
    writeFileSync(at('access.log'), `a\n${long}\r\nb\n`)
    const source = await started({ 'batch.bytes': '4096' })
    await source.drain()
    expect(source.texts).toEqual(['a', long, 'b'])
  })
})

function chmodForOthers(): void {
  process.seteuid!(0)
  chmodSync(at(''), 0o755)
  process.seteuid!(65534)
}
