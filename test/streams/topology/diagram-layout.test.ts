import { describe, expect, it } from 'vitest'
import type { Topology } from '../../../src/streams/index.ts'
import { diagramOf } from '../../../src/streams/topology/diagram.ts'
import { layOut } from '../../../src/streams/topology/diagram-layout.ts'
import { recordedTopologies, shopTopology } from './diagram-programs.ts'

interface Area { readonly x: number; readonly y: number; readonly width: number; readonly height: number }

const overlap = (a: Area, b: Area) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
const holds = (outer: Area, inner: Area) => inner.x >= outer.x && inner.y >= outer.y && inner.x + inner.width <= outer.x + outer.width && inner.y + inner.height <= outer.y + outer.height
const pairs = <T>(list: readonly T[]) => list.flatMap((a, index) => list.slice(index + 1).map((b) => [a, b] as const))

describe('the layout of a diagram', () => {
  it('puts no box or frame on another, whatever the program', () => {
    for (const { name, topology } of [{ name: 'shop', topology: shopTopology() }, ...recordedTopologies()]) expect(faultsOf(topology), name).toEqual([])
  })

  it('leads an arrow that passes rows of boxes between them', () => {
    const layouts = [shopTopology(), ...recordedTopologies().map(({ topology }) => topology)].map((topology) => layOut(diagramOf(topology), () => ({ width: 100, height: 30 })))
    const passes = layouts.flatMap(({ arrows, boxes }) => arrows.flatMap((arrow) => arrow.passes.map((pass) => ({ pass, boxes }))))
    expect(passes.length).toBeGreaterThan(10)
    for (const { pass: { x, top, bottom }, boxes } of passes) {
      expect([...boxes.values()].filter((box) => overlap({ x, y: top, width: 0.1, height: bottom - top }, box))).toEqual([])
    }
  })

  it('puts every box below those that it gets records from', () => {
    const { boxes, arrows } = layOut(diagramOf(shopTopology()), () => ({ width: 100, height: 30 }))
    expect(arrows.length).toBeGreaterThan(10)
    for (const { from, to } of arrows) expect(boxes.get(to)!.y).toBeGreaterThan(boxes.get(from)!.y)
  })
})

function faultsOf(topology: Topology): readonly string[] {
  const diagram = diagramOf(topology)
  const { boxes, groups, width, height } = layOut(diagram, ({ title, stores }) => ({ width: 30 + title.length * 7, height: 34 + stores.length * 20 }))
  const areas = [...boxes.values()].map((placed) => ({ ...placed, title: placed.box.title }))
  const crossing = [areas, groups].flatMap((list) => pairs<Area & { readonly title: string }>(list).filter(([a, b]) => overlap(a, b)))
  const outside = [...areas, ...groups].filter((area) => !holds({ x: 0, y: 0, width, height }, area))
  const framed = diagram.groups.flatMap((group) => group.boxes.map((id) => [groups.find(({ title }) => title === group.title)!, boxes.get(id)!] as const))
  return [
    ...crossing.map(([a, b]) => `${a.title} lies on ${b.title}`),
    ...outside.map(({ title }) => `${title} is outside of the picture`),
    ...framed.filter(([frame, box]) => !holds(frame, box)).map(([frame, box]) => `${box.box.title} is outside of ${frame.title}`),
    ...(boxes.size === diagram.boxes.length ? [] : ['boxes are missing']),
  ]
}
