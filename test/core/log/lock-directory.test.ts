import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { lockDirectory } from '../../../src/core/log/lock-directory.ts'

let directory: string
beforeEach(() => { directory = mkdtempSync(join(tmpdir(), 'millrace-lock-')) })
afterEach(() => rmSync(directory, { recursive: true, force: true }))

it('keeps others out of a directory, which it makes, until it is released', async () => {
  const place = join(directory, 'not', 'yet', 'there')
  const lock = await lockDirectory(place)
  await expect(lockDirectory(place)).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED', details: { directory: place, pid: process.pid } })
  lock.release()
  const next = await lockDirectory(place)
  next.release()
})
