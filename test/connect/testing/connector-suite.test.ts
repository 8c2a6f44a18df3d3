import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fileSink, fileSource, fileStreamSink, fileStreamSource, rollingFileSink } from 'millrace/connectors/file'
import { connectorSuite } from '../../../src/connect/testing/index.ts'
import { configSpec, option } from '../../../src/connect/index.ts'
import type { SinkPlugin, SourcePlugin, SourceRecord, SourceTask } from '../../../src/connect/index.ts'
import { temporaryDirectory } from '../runtime/connect-kit.ts'

function linesFile(option_: string) {
  return async () => {
    const path = join(temporaryDirectory(), 'in.log')
    let written = 0
    appendFileSync(path, '')
    return {
      config: { [option_]: path, topic: 'lines' },
      write: async (count: number) => {
        const texts = Array.from({ length: count }, () => `line ${++written}`)
        appendFileSync(path, `${texts.join('\n')}\n`)
        return texts
      },
    }
  }
}

function outputFile(option_: string) {
  return async () => {
    const path = join(temporaryDirectory(), 'out.log')
    return { config: { [option_]: path, topics: 'suite' }, contents: async () => (existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []) }
  }
}

/** Each record a file: what is still open is not published when a task stops, and comes again. */
async function outputFolder() {
  const folder = temporaryDirectory()
  const published = () => readdirSync(folder).filter((name) => name.endsWith('.txt')).toSorted()
  return {
    config: { 'path': join(folder, '{partition}-{offset}.txt'), 'format': 'text', 'roll.records': '1', 'topics': 'suite' },
    contents: async () => published().flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1)),
  }
}

const line = (index: number) => ({ value: `line ${index}`, text: `line ${index}` })

describe('FileSource', () => {
  for (const { name, run } of connectorSuite({ plugin: fileSource, open: linesFile('path') })) it(name, run)
})

describe('FileStreamSource', () => {
  for (const { name, run } of connectorSuite({ plugin: fileStreamSource, open: linesFile('file') })) it(name, run)
})

describe('FileSink', () => {
  for (const { name, run } of connectorSuite({ plugin: fileSink, open: outputFile('path'), record: line, delivers: 'once' })) it(name, run)
})

describe('FileStreamSink', () => {
  for (const { name, run } of connectorSuite({ plugin: fileStreamSink, open: outputFile('file'), record: line })) it(name, run)
})

describe('RollingFileSink', () => {
  for (const { name, run } of connectorSuite({ plugin: rollingFileSink, open: outputFolder, record: line, delivers: 'once' })) it(name, run)
})

// ------------------------------------------------------------------------------------------------ what the suite finds

/** A source over a list in memory, right but for what a test changes. */
function listSource(list: readonly string[], change: Partial<SourceTask> & { readonly offsetOf?: (index: number) => number; readonly ignoresOffsets?: boolean } = {}): SourcePlugin {
  const { offsetOf = (index) => index + 1, ignoresOffsets = false, ...task } = change
  return {
    type: 'source', class: 'test.ListSource', version: '1', config: configSpec({ topic: option.string({ doc: 'Where to.', default: 'list' }) }),
    createConnector: () => ({ start: () => {}, taskConfigs: () => [{}], stop: () => {} }),
    createTask: () => {
      let next = 0
      return {
        start: async (_config, context) => {
          const [offset] = await context.offsets([{ list: 'a' }])
          next = ignoresOffsets ? 0 : Number(offset?.['next'] ?? 0)
        },
        poll: async () => {
          const batch = list.slice(next, next + 3).map((value, index): SourceRecord => ({ topic: 'list', value, sourcePartition: { list: 'a' }, sourceOffset: { next: offsetOf(next + index) } }))
          next += batch.length
          return batch
        },
        stop: () => {},
        ...task,
      }
    },
  }
}

async function failuresOf(make: (list: readonly string[]) => SourcePlugin, patienceMs = 5000): Promise<readonly string[]> {
  const list: string[] = []
  const open = async () => {
    list.length = 0
    return { config: {}, write: async (count: number) => Array.from({ length: count }, () => { list.push(`v${list.length}`); return list.at(-1)! }) }
  }
  const failures: string[] = []
  for (const { name, run } of connectorSuite({ plugin: make(list), open, patienceMs })) await run().catch(() => failures.push(name))
  return failures
}

describe('the suite', () => {
  it('finds nothing wrong with a source that is right', async () => {
    expect(await failuresOf((list) => listSource(list))).toEqual([])
  })

  it('finds a source that forgets where it was', async () => {
    expect(await failuresOf((list) => listSource(list, { ignoresOffsets: true }), 300)).toEqual(expect.arrayContaining(['goes on where it stopped, with what came meanwhile', 'loses and repeats nothing when it is killed between any two records']))
  })

  it('finds positions that stand on a record instead of behind it, and such that skip one', async () => {
    expect(await failuresOf((list) => listSource(list, { offsetOf: (index) => index }), 300)).toContain('goes on where it stopped, with what came meanwhile')
    expect(await failuresOf((list) => listSource(list, { offsetOf: (index) => index + 2 }), 300)).toContain('loses and repeats nothing when it is killed between any two records')
  }, 60_000)

  it('finds a poll that does not heed its signal', async () => {
    expect(await failuresOf((list) => listSource(list, { poll: () => new Promise(() => {}) }), 100)).toContain('stops promptly while it waits for records, also when it has given none')
  }, 120_000)

  it('finds an option without documentation, and a sink that commits before it has written', async () => {
    const undocumented: SourcePlugin = { ...listSource([]), config: configSpec({ x: option.string({ doc: '', default: '' }) }) }
    const [first] = connectorSuite({ plugin: undocumented, open: async () => ({ config: {}, write: async () => [] }) })
    await expect(first!.run()).rejects.toThrow('the option x has a "doc"')
    const written: string[] = []
    const early: SinkPlugin = {
      type: 'sink', class: 'test.EarlySink', version: '1', config: configSpec({}),
      createConnector: () => ({ start: () => {}, taskConfigs: () => [{}], stop: () => {} }),
      createTask: () => {
        let buffered: string[] = []
        return { start: () => {}, put: (records) => { written.push(...buffered); buffered = records.map(({ value }) => String(value)) }, stop: () => {} }
      },
    }
    const failures: string[] = []
    const suite = connectorSuite({ plugin: early, open: async () => { written.length = 0; return { config: { topics: 'suite' }, contents: async () => written } }, record: line })
    for (const { name, run } of suite) await run().catch(() => failures.push(name))
    expect(failures).toContain('has made durable what it says is safe to commit, in order')
  })
})
