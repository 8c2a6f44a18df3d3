import { describe, expect, it } from 'vitest'
import { shopTopology } from './diagram-programs.ts'

describe('a topology as text for drawing programs', () => {
  it('is a Mermaid flowchart with a subgraph for each sub-topology', () => {
    const text = shopTopology().describe('mermaid')
    expect(text).toMatch(/^flowchart TB\n/)
    expect(text).toMatch(/subgraph part1\["sub-topology 1"\]\n(?: {4}n\d+\[".*"\]\n)+ {2}end/)
    expect(text).toMatch(/n\d+\(\["orders"\]\)/)
    expect(text).toMatch(/n\d+\{\{"with-customer-repartition"\}\}/)
    expect(text).toMatch(/store\d+\[\("per-minute"\)\]/)
    for (const [, from, to] of text.matchAll(/^ {2}(\w+) -->|-\.- (\w+)$/gm)) expect(text).toMatch(new RegExp(`^ +${from ?? to}[[({]`, 'm'))
  })

  it('is a DOT graph with a cluster for each sub-topology', () => {
    const text = shopTopology().describe('dot')
    expect(text).toMatch(/^digraph topology \{\n/)
    expect(text.split('{').length).toBe(text.split('}').length)
    expect(text).toMatch(/subgraph cluster_part1 \{\n {4}label="sub-topology 1"/)
    expect(text).toMatch(/label="count-per-minute\\nwindow aggregate"/)
    expect(text).toMatch(/n\d+ -> n\d+\n/)
  })

  it('is what Kafka Streams prints unless told otherwise', () => {
    expect(shopTopology().describe()).toBe(shopTopology().describe('text'))
  })
})
