import { describe, expect, it } from 'vitest'
import { diagramOf } from '../../../src/streams/topology/diagram.ts'
import { recordedTopologies, shopTopology } from './diagram-programs.ts'

describe('the diagram of a topology', () => {
  it('shows operators in their sub-topologies, and the topics between them', () => {
    const { boxes, groups, arrows } = diagramOf(shopTopology())
    const titleOf = (id: string) => boxes.find((box) => box.id === id)!.title
    expect(groups.map(({ title }) => title).sort()).toEqual(['global store 2', 'sub-topology 0', 'sub-topology 1'])
    expect(boxes.filter(({ shape }) => shape === 'topic').map(({ title }) => title).sort()).toEqual(['a topic per record', 'customers', 'orders', 'pairs', 'rates', 'sums'])
    expect(boxes.filter(({ shape }) => shape === 'repartition').map(({ title }) => title)).toEqual(['with-customer-repartition'])
    const drawn = arrows.map(({ from, to }) => `${titleOf(from)} → ${titleOf(to)}`)
    expect(drawn).toContain('orders → select key')
    expect(drawn).toContain('select key → with-customer-repartition')
    expect(drawn).toContain('with-customer-repartition → with-customer')
    expect(drawn).toContain('by-size-large → a topic per record')
    expect(boxes.find(({ title }) => title === 'count-per-minute')).toMatchObject({ name: 'window aggregate', stores: ['per-minute'] })
    expect(boxes.map(({ title, name }) => `${title} ${name}`)).toContainEqual(expect.stringContaining('join with rates'))
    expect(boxes.find(({ title }) => title === 'select key')!.name).toMatch(/^KSTREAM-KEY-SELECT-\d{10}$/)
  })

  it('has a box for every operator and every topic of every recorded program, and no arrow to nowhere', () => {
    const recorded = recordedTopologies()
    expect(recorded.length).toBeGreaterThan(200)
    for (const { name, topology } of recorded) {
      const { boxes, groups, arrows } = diagramOf(topology)
      const ids = new Set(boxes.map(({ id }) => id))
      const inGroups = groups.flatMap((group) => group.boxes)
      expect(inGroups.length, name).toBe(new Set(inGroups).size)
      expect(boxes.filter(({ shape }) => shape === 'operator').map(({ id }) => id).sort(), name).toEqual([...inGroups].sort())
      expect(arrows.every(({ from, to }) => ids.has(from) && ids.has(to)), name).toBe(true)
      const topics = new Set(boxes.filter(({ shape }) => shape !== 'operator').map(({ title }) => title))
      for (const part of topology.subTopologies) for (const used of part.sourceTopics) expect(topics.has(used), `${name}: ${used}`).toBe(true)
    }
  })
})
