import { afterEach, describe, expect, it, vi } from 'vitest'
import { jsonSerde, stringSerde } from '../../../src/core/index.ts'
import type { Serde } from '../../../src/core/index.ts'
import { RowUpdate } from '../../../src/streams/state/row-update.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { topic } from '../../../src/streams/topic.ts'
import { batchOf, expectSameOfBatchesAndRecords, outputOf } from './batches-and-records.ts'

const source = topic('in', { key: stringSerde as Serde<string | null>, value: stringSerde })
const parsed = topic('in', { key: stringSerde as Serde<string | null>, value: jsonSerde<unknown>() })
const out = topic('out', { key: stringSerde as Serde<string | null>, value: jsonSerde<unknown>() })

const programs: Readonly<Record<string, (builder: StreamsBuilder) => void>> = {
  rows: (builder) => builder.table(source, { store: 's' }).toStream().to(out),
  parsedRows: (builder) => builder.table(parsed, { store: 's' }).toStream().to(out),
  stamped: (builder) => builder.table(source, { store: 's', timestamp: (value) => value.length - 1 }).toStream().to(out),
  filtered: (builder) => builder.table(source, { store: 's' }).filter((value) => value.length > 3).toStream().to(out),
  joined: (builder) => {
    const table = builder.table(source, { store: 's' })
    table.leftJoin(table.filter((value) => value.length > 3), (value, other) => `${value}|${other}`).toStream().to(out)
  },
  grouped: (builder) => builder.table(source, { store: 's' }).groupBy((key, value) => [value, key] as never, { key: stringSerde, value: stringSerde } as never).count({ store: 'c' }).toStream().to(out as never),
}

describe('a table of what was read', () => {
  afterEach(() => vi.restoreAllMocks())

  it.each([['rows', 1], ['parsedRows', 0], ['grouped', 1]])('puts rows as they stand in their batch, where they are written as they were read: %s', (name, count) => {
    const builder = new StreamsBuilder()
    programs[name]!(builder)
    const put = vi.spyOn(RowUpdate.prototype, 'writeRead')
    outputOf(builder.build(), { cacheMaxBytes: 100_000 } as never, [batchOf([{ key: 'a', value: '"text"', timestamp: 1, headers: [] }], 0)], false)
    expect(put).toHaveBeenCalledTimes(count)
  })

  it.each(Object.keys(programs))('keeps and sends on what one of records does: %s', (name) => {
    const builder = new StreamsBuilder()
    programs[name]!(builder)
    expectSameOfBatchesAndRecords(builder.build())
  })
})
