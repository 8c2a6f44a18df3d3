import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadTopology } from '../../src/cli/load-topology.ts'
import { Topology } from '../../src/streams/index.ts'

describe('loadTopology()', () => {
  let directory: string

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-app-'))
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  function load(text: string, name = 'app.ts') {
    writeFileSync(join(directory, name), text)
    return loadTopology(join(directory, name))
  }

  it('loads TypeScript from anywhere, with the millrace that is running', async () => {
    writeFileSync(join(directory, 'names.ts'), "export const input: string = 'in'\nexport interface Unused { readonly a: number }")
    const topology = await load(
      "import { StreamsBuilder, topic } from 'millrace/streams'\nimport { input } from './names.ts'\nimport type { Unused } from './names.ts'\n" +
        "const builder = new StreamsBuilder()\nbuilder.stream(topic(input satisfies string)).to(topic('out'))\nexport type Same = Unused\nexport default builder.build()\n",
    )
    expect(topology).toBeInstanceOf(Topology)
    expect(topology.describe()).toContain('topics: [in]')
  })

  it('says what a module exports instead of a topology', async () => {
    await expect(load('export default 5', 'a.ts')).rejects.toMatchObject({ code: 'TOPOLOGY_INVALID', message: expect.stringMatching(/must export a topology by default.*; it exports a number$/) as string })
    await expect(load('export const topology = 5', 'b.ts')).rejects.toMatchObject({ message: expect.stringMatching(/exports nothing$/) as string })
  })

  it('keeps the cause of a module that cannot be loaded', async () => {
    await expect(load("throw new RangeError('out of range')", 'c.ts')).rejects.toMatchObject({ code: 'TOPOLOGY_INVALID', cause: expect.objectContaining({ message: 'out of range' }) as unknown })
    const misused = "import { StreamsBuilder, topic } from 'millrace/streams'\n\ninterface Unused { readonly a: number }\nconst builder = new StreamsBuilder()\nbuilder.stream('a').branch().to(topic('b'))\n"
    await expect(load(misused, 'e.ts')).rejects.toMatchObject({ message: expect.stringMatching(/e\.ts, line 5, cannot be loaded$/) as string })
    await expect(load('const = 1', 'd.ts')).rejects.toMatchObject({ code: 'TOPOLOGY_INVALID' })
    await expect(loadTopology(join(directory, 'none.ts'))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
