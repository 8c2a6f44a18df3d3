import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import { StreamsBuilder, topic } from '../../../src/streams/index.ts'
import { recordedTopologies, shopTopology } from './diagram-programs.ts'

describe('the picture of a topology', () => {
  it('is well-formed, and names every operator, store and topic', () => {
    for (const topology of [shopTopology(), ...recordedTopologies().map((recorded) => recorded.topology)]) {
      const svg = topology.describe('svg')
      expect(openTags(svg)).toEqual([])
      for (const { name } of topology.stores) expect(svg).toContain(name)
    }
  })

  it('escapes what a name may hold', () => {
    expect(shopTopology().describe('svg')).not.toMatch(/<(?!\/?(svg|title|style|defs|marker|path|rect|text|g)\b)/)
  })

  it('has room for names in capitals, and shows how a long one begins and ends', () => {
    const builder = new StreamsBuilder()
    builder.stream(topic('SHIPMENTS-OF-ALL-WAREHOUSES-AND-SHOPS', { value: stringSerde })).to(topic('shipments-of-all-warehouses-and-shops-that-are-late', { value: stringSerde }))
    const svg = builder.build().describe('svg')
    const width = Number(/<title>SHIPMENTS[^>]*<\/title><rect class="topic" [^>]*width="([\d.]+)"/u.exec(svg.replaceAll('\n', ''))![1])
    // A capital letter of Arial takes 0.61 to 0.83 of its size, a hyphen 0.33.
    expect(width).toBeGreaterThan(13 * (32 * 0.7 + 5 * 0.33))
    expect(svg).toContain('>shipments-of-all-war…shops-that-are-late<')
  })

  it('says the whole of a box to who points at it', () => {
    expect(shopTopology().describe('svg')).toContain('<title>count-per-minute\nwindow aggregate\nper-minute</title>')
  })
})

/** Tags that are opened and not closed, or closed and not opened. */
function openTags(xml: string): readonly string[] {
  const open: string[] = []
  for (const [, closing, name, inside] of xml.matchAll(/<(\/?)([a-z]+)([^>]*)>/g)) {
    if (inside!.endsWith('/')) continue
    if (closing === '') open.push(name!)
    else if (open.pop() !== name) return [...open, `</${name}>`]
  }
  return open
}
