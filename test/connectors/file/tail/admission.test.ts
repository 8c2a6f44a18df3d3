import { appendFileSync, utimesSync, writeFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { append, at, folderForEach, harness, lines, started } from '../../../kit/file-source.ts'

folderForEach()

it('leaves old files alone until they change, but goes on in those that it had begun', async () => {
  const anHourAgo = new Date(Date.UTC(1970, 0, 1, 0, 0, 1))
  const old = (name: string) => utimesSync(at(name), anHourAgo, anHourAgo)
  for (const name of ['begun.log', 'old.log', 'old.log.1']) append(name, 0, 2)
  old('old.log.1')
  const source = harness({ path: at('*.log*'), 'ignore.older.ms': '10000' })
  await source.start()
  old('old.log')
  await source.drain()
  expect(source.texts).toEqual(lines(0, 2))
  source.commit()
  append('begun.log', 2, 3)
  old('begun.log')
  await source.crash()
  await source.start()
  await source.drain()
  expect(source.texts).toEqual([...lines(0, 2), 'line 2'])
  append('old.log', 2, 3)
  utimesSync(at('old.log'), 4e9, 4e9)
  await source.drain()
  expect(source.texts).toEqual([...lines(0, 2), 'line 2', ...lines(0, 3)])
})

it('follows a thousand files with few of them open, and says how far it is behind', async () => {
  const names = Array.from({ length: 1_000 }, (_, i) => `${i}.log`)
  for (const name of names) writeFileSync(at(name), `first of ${name}\n`)
  const source = await started({ path: at('*.log'), 'max.open.files': '50', 'poll.interval.ms': '1' })
  for (let polls = 0; source.given.length < 1_000 && polls < 5_000; polls++) await source.poll()
  for (const name of names.filter((_, i) => i % 100 === 0)) appendFileSync(at(name), `second of ${name}\n`)
  for (let polls = 0; source.given.length < 1_010 && polls < 5_000; polls++) await source.poll()
  expect(source.texts.toSorted()).toEqual([...names.map((name) => `first of ${name}`), ...names.filter((_, i) => i % 100 === 0).map((name) => `second of ${name}`)].toSorted())
  expect(source.gauges.get('file_count')!()).toBe(1_000)
  expect(source.gauges.get('file_lag_bytes')!()).toBe(0)
  writeFileSync(at('7.log'), `${'x'.repeat(999)}\n${'y'.repeat(999)}`)
  for (let polls = 0; source.given.length < 1_011 && polls < 5_000; polls++) await source.poll()
  expect(source.gauges.get('file_lag_bytes')!()).toBe(999) // a line without its end
}, 120_000)
