import { appendFileSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { fileSource } from '../../../../connectors/file/plugins.ts'
import { SourceHarness } from '../../../kit/source-harness.ts'

const openFilesIn = (folder: string) =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder)
    } catch {
      return false // the one that read the folder
    }
  }).length

it.skipIf(process.platform !== 'linux')('reads many logs with few open files, and notices growth of those that it closed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-many-'))
  const names = Array.from({ length: 40 }, (_, i) => `${String.fromCharCode(97 + (i % 26))}${i}x.log`)
  for (const name of names) writeFileSync(join(folder, name), `first of ${name}\n`)
  const source = new SourceHarness(fileSource, { path: join(folder, '*.log'), topic: 't', watch: 'false', 'rescan.interval.ms': '1', 'max.open.files': '7' })
  await source.start()
  let most = 0
  for (let polls = 0; polls < 60; polls++) {
    await source.poll()
    most = Math.max(most, openFilesIn(folder))
  }
  expect(source.texts.toSorted()).toEqual(names.map((name) => `first of ${name}`).toSorted())
  for (const name of names) appendFileSync(join(folder, name), `second of ${name}\n`)
  for (let polls = 0; polls < 60; polls++) {
    await source.poll()
    most = Math.max(most, openFilesIn(folder))
  }
  expect(source.texts.slice(40).toSorted()).toEqual(names.map((name) => `second of ${name}`).toSorted())
  expect(most).toBe(7)
  await source.stop()
  rmSync(folder, { recursive: true })
})

it('gives an unfinished last line after a while where that is wanted, and goes on behind it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-partial-'))
  const path = join(folder, 'a.log')
  writeFileSync(path, 'whole\nhal')
  const source = new SourceHarness(fileSource, { path, topic: 't', watch: 'false', 'partial.flush.ms': '2000', 'poll.interval.ms': '500' })
  await source.start()
  await source.poll()
  await source.poll()
  appendFileSync(path, 'f') // growth makes it wait anew
  expect([await source.poll(), source.texts]).toEqual([0, ['whole']])
  for (let polls = 0; polls < 4; polls++) await source.poll()
  expect(source.texts).toEqual(['whole', 'half'])
  source.commit()
  await source.crash()
  appendFileSync(path, ' later\nnext\n')
  await source.start()
  await source.drain()
  expect(source.texts).toEqual(['whole', 'half', ' later', 'next'])
  await source.stop()
  rmSync(folder, { recursive: true })
})
