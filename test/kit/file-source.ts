/** A folder of its own for each test of a file, and file sources that read it and are stopped at its end. */
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from 'millrace/connect'
import { afterEach, beforeEach } from 'vitest'
import { fileSource } from '../../connectors/file/plugins.ts'
import { SourceHarness } from './source-harness.ts'

let folder = ''
let harnesses: { stop(): Promise<void> }[] = []

/** Call once in a test file. */
export function folderForEach(): void {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-file-source-'))
  })
  afterEach(async () => {
    for (const harness of harnesses) await harness.stop()
    harnesses = []
    rmSync(folder, { recursive: true, force: true })
  })
}

/** Reads `access.log` of the folder, unless the config says otherwise. */
export function harness(config: Record<string, string> = {}, clock?: Clock) {
  const made = new SourceHarness(fileSource, { path: at('access.log'), topic: 'lines', watch: 'false', 'rescan.interval.ms': '1', ...config }, clock)
  harnesses.push(made)
  return made
}

export async function started(config: Record<string, string> = {}) {
  const made = harness(config)
  await made.start()
  return made
}

export const at = (name: string) => join(folder, name)
export const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `line ${from + i}`)
export const append = (name: string, from: number, to: number) => appendFileSync(at(name), lines(from, to).map((line) => `${line}\n`).join(''))
