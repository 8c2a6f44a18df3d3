/** The log where nothing but Node is installed: no package is loaded before it is needed, and what needs one says which. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as zlib from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const built = fileURLToPath(new URL('../../dist/', import.meta.url))
let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-alone-'))
  for (const folder of ['src/core', 'joined']) cpSync(join(built, folder), join(directory, folder), { recursive: true })
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
  for (const name of ['@bokuweb/zstd-wasm', '@node-rs/crc32', 'kafkajs', 'zod', 'rxjs', 'prom-client']) hide(name)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Folders above may have packages: one of the name that gives nothing away ends the search for it. */
function hide(name: string): void {
  const path = join(directory, 'node_modules', name)
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'package.json'), JSON.stringify({ name, exports: {} }))
}

/** What the program prints, run where no package can be found. */
function run(program: string): string {
  writeFileSync(join(directory, 'program.js'), program)
  return execFileSync(process.execPath, [join(directory, 'program.js'), join(directory, 'data')], { encoding: 'utf8', env: { ...process.env, NODE_PATH: '' } }).trim()
}

describe('an installation without any package', () => {
  it('has the whole embedded log', () => {
    const printed = run(`
      import { openEmbeddedBroker } from './src/core/index.js'
      const broker = await openEmbeddedBroker({ directory: process.argv[2] })
      await broker.topics.create([{ topic: 'orders', configs: { 'compression.type': 'gzip' } }])
      const producer = await broker.openProducer()
      await producer.append({ topic: 'orders', value: Buffer.alloc(10_000, 'a') })
      const reader = await broker.openReader()
      reader.assign([{ topic: 'orders', partition: 0, offset: 0 }])
      for (const { batches } of (await reader.read()).partitions) for (const batch of batches) for (const { value } of batch) console.log(value.length)
      await broker.close()
    `)
    expect(printed).toBe('10000')
  })

  it('says what to install for zstd, where Node has none', () => {
    const printed = run(`
      import { openEmbeddedBroker } from './src/core/index.js'
      const broker = await openEmbeddedBroker({ directory: process.argv[2] })
      await broker.topics.create([{ topic: 'small', configs: { 'compression.type': 'zstd' } }])
      const producer = await broker.openProducer()
      try {
        await producer.append({ topic: 'small', value: Buffer.alloc(10_000, 'a') })
        console.log('appended')
      } catch (error) {
        console.log(error.code + ': ' + error.message)
      }
      await broker.close()
    `)
    if ('zstdCompressSync' in zlib) expect(printed).toBe('appended')
    else expect(printed).toMatch(/^UNSUPPORTED_COMPRESSION_TYPE: .*install @bokuweb\/zstd-wasm, or use Node 22\.15 or later$/)
  })
})
