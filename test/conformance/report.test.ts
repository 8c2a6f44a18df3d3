import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ConformanceGroups } from './case-result.ts'
import { reportConformance } from './report.ts'

describe('reportConformance', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-vectors-'))
    mkdirSync(join(directory, 'streams'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  async function report(streams: ConformanceGroups, ...files: string[]) {
    for (const file of files) writeFileSync(join(directory, 'streams', file), JSON.stringify({ name: file }))
    const lines: string[] = []
    const counts = await reportConformance(directory, { 'streams': [streams], 'connect': [], 'connect-random': [], 'connect-runtime': [], 'core': [] }, (line) => lines.push(line))
    return { counts, lines }
  }

  it('prints a line for each group, with the first difference of what fails', async () => {
    const { counts, lines } = await report(
      { window: (files) => files.map(({ path }, index) => ({ name: path, ok: index === 0, detail: 'step 3: expected 1\ngot 2' })) },
      'window_a.json', 'window_b.json',
    )
    expect(lines).toEqual(['streams/window: 1 of 2', '  ✗ window_b.json: step 3: expected 1\n    got 2', 'total: 1 passed, 1 failed, 0 pending'])
    expect(counts.failed).toBe(1)
  })

  it('counts what is pending apart, and names what it waits for', async () => {
    const { lines } = await report({ window: () => [{ name: 'a', ok: true }, { name: 'b', ok: false, pending: 'join' }] }, 'window_a.json', 'error_a.json')
    expect(lines).toEqual([
      'streams/error: 0 of 0, 1 pending',
      'streams/window: 1 of 1, 1 pending',
      'pending, by what they wait for:',
      '  an adapter for error: 1',
      '  join: 1',
      'total: 1 passed, 0 failed, 2 pending',
    ])
  })

  it('fails a group whose adapter throws or finds no case', async () => {
    const { counts, lines } = await report({
      window: () => { throw new Error('what is this?') },
      error: () => [],
    }, 'window_a.json', 'error_a.json')
    expect(counts).toEqual({ passed: 0, failed: 2, pending: 0 })
    expect(lines.join('\n')).toContain('the adapter threw: Error: what is this?')
    expect(lines.join('\n')).toContain('the adapter found no case')
  })
})
