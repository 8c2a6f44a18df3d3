import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { topic } from '../../../src/streams/topic.ts'
import type { SourceNode } from '../../../src/streams/topology/node.ts'
import { storesByKey } from '../../../src/streams/topology/stores-by-key.ts'

const format = { key: stringSerde, value: stringSerde }
const source = topic('in', format)
const rows = topic('rows', format)

/** By topic. */
function storesOf(program: (builder: StreamsBuilder) => void): Readonly<Record<string, readonly string[]>> {
  const builder = new StreamsBuilder()
  program(builder)
  const { nodes } = builder.build()
  const sources = nodes.filter((node): node is SourceNode => node.kind === 'source')
  return Object.fromEntries(sources.map((node) => [node.topics[0], storesByKey(node, nodes).map(({ store }) => store)]))
}

describe('storesByKey', () => {
  it('has the store of a table for its own records, and for those of a stream that is joined with it', () => {
    const stores = storesOf((builder) => {
      builder.stream(source).filter((value) => value !== '').mapValues((value) => value.trim()).join(builder.table(rows, { store: 'rows' }), (value, row) => value + row).to(topic('out', format))
    })
    expect(stores).toEqual({ in: ['rows'], rows: ['rows'] })
  })

  it('has the store behind a table that is not kept', () => {
    const stores = storesOf((builder) => {
      const table = builder.table(rows, { store: 'rows' }).filter((row) => row !== '').mapValues((row) => row.trim())
      builder.stream(source).leftJoin(table, (value, row) => value + String(row)).to(topic('out', format))
    })
    expect(stores['in']).toEqual(['rows'])
  })

  it('has the store of an aggregate, with every other on the way, but nothing behind a new key', () => {
    const stores = storesOf((builder) => {
      const stream = builder.stream(source)
      stream.groupByKey().count({ store: 'counts' })
      stream.peek(() => {}).join(builder.table(rows, { store: 'rows' }), (value, row) => value + row).groupByKey().reduce((_before, value) => value, { store: 'last' })
      stream.selectKey((value) => value).groupByKey().count({ store: 'byValue' })
    })
    expect(stores['in']!.toSorted()).toEqual(['counts', 'last', 'rows'])
  })

  it('has no global table that is looked up by another key', () => {
    const stores = storesOf((builder) => {
      builder.stream(source).join(builder.globalTable(rows, { store: 'rows' }), (value, row) => value + row, { on: (value) => value }).to(topic('out', format))
    })
    expect(stores['in']).toEqual([])
  })
})
