import { describe, expect, it } from 'vitest'
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
