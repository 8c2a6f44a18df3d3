/**
 * Stores on disk that are larger than the memory the process may use: a child process with a small heap fills one, starts again and reads it.
 * MILLRACE_STORE_MIB says how large it is.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const storeMiB = Number(process.env['MILLRACE_STORE_MIB'] ?? 128)
const heapMiB = 48
const program = fileURLToPath(new URL('./stores-larger-than-memory.mjs', import.meta.url))

it(`a store of ${storeMiB} MiB is filled, kept over a restart and read with a heap of ${heapMiB} MiB`, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-large-store-'))
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [`--max-old-space-size=${heapMiB}`, program, directory, String(storeMiB)])
    const { rows, restored, wrong, peakBytes } = JSON.parse(stdout) as Record<'rows' | 'restored' | 'wrong' | 'peakBytes', number>
    console.log(`${storeMiB} MiB in ${rows} rows; heap and buffers never took more than ${Math.round(peakBytes / 2 ** 20)} MiB`)
    expect({ rows, restored, wrong }).toEqual({ rows: storeMiB * 1024, restored: 0, wrong: 0 })
    // However large the store is; rows in memory would be in buffers, beside what the process takes without them.
    expect(peakBytes).toBeLessThan(150 * 2 ** 20)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}, 600_000)
