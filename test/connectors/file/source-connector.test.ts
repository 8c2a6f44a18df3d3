import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fileSource } from '../../../connectors/file/plugins.ts'
import { SourceHarness } from '../../kit/source-harness.ts'

describe('FileSourceConnector', () => {
  it('divides logs among tasks, each log whole', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-file-source-'))
    for (const name of ['a.log', 'a.log.1', 'b.log', 'c.log']) writeFileSync(join(folder, name), `${name}\n`)
    const shares: (readonly string[])[] = []
    for (let task = 0; task < 3; task++) {
      const source = new SourceHarness(fileSource, { path: join(folder, '*.log*'), topic: 't', watch: 'false' })
      await source.start(3, task)
      await source.drain()
      await source.stop()
      shares.push(source.texts)
    }
    rmSync(folder, { recursive: true })
    expect(shares.flat().toSorted()).toEqual(['a.log', 'a.log.1', 'b.log', 'c.log'])
    expect(shares.filter((texts) => texts.some((text) => text.startsWith('a.log')))).toHaveLength(1)
  })

  it('has no more tasks than files where it knows them', async () => {
    const connector = fileSource.createConnector()
    void connector.start(fileSource.config.parse({ path: '/a,/b', topic: 't' }), undefined as never)
    expect(await connector.taskConfigs(5)).toHaveLength(2)
  })

  it('refuses offsets that are no positions', () => {
    const connector = fileSource.createConnector()
    const partition = { device: '1', inode: '2', fingerprint: 'x' }
    const alter = (...offset: Parameters<NonNullable<typeof connector.alterOffsets>>[1][number]) => connector.alterOffsets!(undefined as never, [offset])
    expect(alter(partition, { position: 5 })).toBe(false)
    expect(alter(partition, null)).toBe(false)
    expect(() => alter(partition, { position: -1 })).toThrow('"position" must be a whole number of bytes')
    expect(() => alter({ filename: 'a' }, null)).toThrow('does not name a file')
  })
})
