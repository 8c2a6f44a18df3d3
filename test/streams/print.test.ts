import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../src/core/index.ts'
import type { PrintOptions } from '../../src/streams/print.ts'
import { StreamsBuilder } from '../../src/streams/streams-builder.ts'
import { TopologyTestDriver } from '../../src/streams/testing/topology-test-driver.ts'
import { topic } from '../../src/streams/topic.ts'
import { tumbling } from '../../src/streams/windows.ts'

const input = topic('in', { key: stringSerde, value: stringSerde })

function printed(options: PrintOptions<string, string> = {}): readonly string[] {
  const lines: string[] = []
  const builder = new StreamsBuilder()
  builder.stream(input).print({ write: (line) => lines.push(line), ...options })
  const driver = new TopologyTestDriver(builder.build())
  driver.inputTopic(input).pipeAll([{ key: 'k', value: 'a', timestamp: 1 }, { key: null, value: null, timestamp: 2 }])
  return lines
}

describe('print', () => {
  it('writes key and value behind the name of the operator above', () => {
    expect(printed()).toEqual(['[KSTREAM-SOURCE-0000000000]: k, a\n', '[KSTREAM-SOURCE-0000000000]: null, null\n'])
  })

  it('takes a label and a format', () => {
    expect(printed({ label: 'hits', format: (key, value) => `${key}=${value}` })[0]).toBe('[hits]: k=a\n')
  })

  it('shows windowed keys with their bounds, and objects as JSON', () => {
    const lines: string[] = []
    const builder = new StreamsBuilder()
    builder.stream(input).groupByKey().windowedBy(tumbling(10)).count().toStream().mapValues((count) => ({ count })).print({ label: 'w', write: (line) => lines.push(line) })
    new TopologyTestDriver(builder.build()).inputTopic(input).pipe({ key: 'k', value: 'a', timestamp: 3 })
    expect(lines).toEqual(['[w]: [k@0/10], {"count":1}\n'])
  })
})
