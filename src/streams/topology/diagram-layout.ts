import type { Diagram, DiagramArrow, DiagramBox } from './diagram.ts'

export interface Placed {
  readonly box: DiagramBox
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

export interface PlacedGroup {
  readonly title: string
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

export interface Layout {
  readonly width: number
  readonly height: number
  readonly boxes: ReadonlyMap<string, Placed>
  readonly groups: readonly PlacedGroup[]
  readonly arrows: readonly PlacedArrow[]
}

/** An arrow that passes rows of other boxes has its own place in each of them. */
export interface PlacedArrow extends DiagramArrow {
  readonly passes: readonly { readonly x: number; readonly top: number; readonly bottom: number }[]
}

const passWidth = 8
const gap = { column: 28, row: 46, group: 44, padding: 16, margin: 24 }

/** The size that a box needs; how texts are measured is the drawer's business. */
export type Measure = (box: DiagramBox) => { readonly width: number; readonly height: number }

/**
 * Rows from top to bottom, a box below all that it gets records from. Sub-topologies whose rows overlap stand side by side,
 * the others below each other, so that their frames do not cross.
 */
export function layOut(diagram: Diagram, measure: Measure): Layout {
  const rows = new Map(rowsOf(diagram))
  const lanes = lanesOf(diagram, rows).map((lane) => [...lane])
  const sizes = new Map(diagram.boxes.map((box) => [box.id, measure(box)]))
  const heights = rowHeights(diagram, rows, sizes)
  const tops = rowTops(heights)
  const passes = passesOf(diagram, rows, lanes)
  for (const { id } of passes.flatMap(({ places }) => places)) sizes.set(id, { width: passWidth, height: 0 })
  const arrows = passes.flatMap(({ arrow, places }) => chainOf([arrow.from, ...places.map(({ id }) => id), arrow.to]))
  const boxes = new Map<string, Placed>()
  let left = gap.margin
  for (const lane of lanes) left += placeLane(lane, { diagram: { ...diagram, arrows }, rows, sizes, tops, boxes, left }) + gap.group
  const groups = diagram.groups.filter((group) => group.boxes.length > 0).map(({ title, boxes: inside }) => frameOf(title, inside.map((id) => boxes.get(id)!)))
  const placed = passes.map(({ arrow, places }): PlacedArrow => {
    return { ...arrow, passes: places.map(({ id, row }) => ({ x: boxes.get(id)!.x + passWidth / 2, top: tops[row]!, bottom: tops[row]! + heights[row]! })) }
  })
  for (const { id } of passes.flatMap(({ places }) => places)) boxes.delete(id)
  const all = [...boxes.values(), ...groups]
  return {
    width: Math.max(0, ...all.map(({ x, width }) => x + width)) + gap.margin,
    height: Math.max(0, ...all.map(({ y, height }) => y + height)) + gap.margin,
    boxes, groups, arrows: placed,
  }
}

interface Pass {
  readonly arrow: DiagramArrow
  readonly places: readonly { readonly id: string; readonly row: number }[]
}

/** For arrows within a lane that skip rows: a place in each of these, which is added to the lane. */
function passesOf({ arrows }: Diagram, rows: Map<string, number>, lanes: readonly string[][]): readonly Pass[] {
  return arrows.map((arrow, index) => {
    const [first, last] = [rows.get(arrow.from)! + 1, rows.get(arrow.to)!]
    const lane = lanes.find((ids) => ids.includes(arrow.from) && ids.includes(arrow.to))
    const places = lane === undefined ? [] : Array.from({ length: Math.max(0, last - first) }, (_, offset) => ({ id: `pass ${index} ${first + offset}`, row: first + offset }))
    for (const { id, row } of places) {
      rows.set(id, row)
      lane!.push(id)
    }
    return { arrow, places }
  })
}

function chainOf(ids: readonly string[]): readonly DiagramArrow[] {
  return ids.slice(1).map((to, index) => ({ from: ids[index]!, to }))
}

/** The row of every box: one below the lowest of those before it. Arrows of a loop through a topic are left out. */
function rowsOf({ boxes, arrows }: Diagram): ReadonlyMap<string, number> {
  const before = new Map(boxes.map(({ id }) => [id, arrows.filter(({ to }) => to === id).map(({ from }) => from)]))
  const rows = new Map<string, number>()
  const onPath = new Set<string>()
  const visit = (id: string): number => {
    const known = rows.get(id)
    if (known !== undefined) return known
    onPath.add(id)
    const row = Math.max(-1, ...before.get(id)!.filter((from) => !onPath.has(from)).map(visit)) + 1
    onPath.delete(id)
    rows.set(id, row)
    return row
  }
  for (const { id } of boxes) visit(id)
  return rows
}

/** Columns of the picture, each with the boxes of sub-topologies that do not overlap, and the topics next to them. */
function lanesOf({ boxes, groups, arrows }: Diagram, rows: ReadonlyMap<string, number>): readonly (readonly string[])[] {
  const groupOf = new Map(groups.flatMap((group, index) => group.boxes.map((id) => [id, index] as const)))
  const members = groups.map((group) => [...group.boxes])
  const loose: string[] = []
  for (const { id } of boxes.filter((box) => !groupOf.has(box.id))) {
    const near = arrows.flatMap(({ from, to }) => (from === id ? [to] : to === id ? [from] : [])).find((other) => groupOf.has(other))
    if (near === undefined) loose.push(id)
    else members[groupOf.get(near)!]!.push(id)
  }
  const lanes: { readonly ids: string[]; readonly taken: (readonly [number, number])[] }[] = []
  for (const ids of [...members, loose].filter((list) => list.length > 0)) {
    const own = ids.map((id) => rows.get(id)!)
    const span = [Math.min(...own), Math.max(...own)] as const
    const free = lanes.find(({ taken }) => taken.every(([from, to]) => to < span[0] || span[1] < from))
    if (free === undefined) lanes.push({ ids: [...ids], taken: [span] })
    else {
      free.ids.push(...ids)
      free.taken.push(span)
    }
  }
  return lanes.map(({ ids }) => ids)
}

function rowHeights({ boxes }: Diagram, rows: ReadonlyMap<string, number>, sizes: ReadonlyMap<string, { readonly height: number }>): readonly number[] {
  const heights: number[] = []
  for (const { id } of boxes) heights[rows.get(id)!] = Math.max(heights[rows.get(id)!] ?? 0, sizes.get(id)!.height)
  return heights
}

function rowTops(heights: readonly number[]): readonly number[] {
  let top = gap.margin + gap.padding
  return heights.map((height) => {
    const here = top
    top += height + gap.row
    return here
  })
}

interface Placing {
  readonly diagram: Diagram
  readonly rows: ReadonlyMap<string, number>
  readonly sizes: ReadonlyMap<string, { readonly width: number; readonly height: number }>
  readonly tops: readonly number[]
  readonly boxes: Map<string, Placed>
  readonly left: number
}

/** Each row centred, its boxes in the order of the middles of what they follow; answers the width. */
function placeLane(ids: readonly string[], { diagram, rows, sizes, tops, boxes, left }: Placing): number {
  const byRow = tops.map((_, row) => ids.filter((id) => rows.get(id) === row))
  const widthOf = (row: readonly string[]) => row.reduce((sum, id) => sum + sizes.get(id)!.width, 0) + gap.column * Math.max(0, row.length - 1)
  const width = Math.max(...byRow.map(widthOf)) + 2 * gap.padding
  byRow.forEach((row, index) => {
    const middle = (id: string): number => {
      const above = diagram.arrows.filter(({ to }) => to === id).flatMap(({ from }) => boxes.get(from) ?? [])
      return above.reduce((sum, { x, width: own }) => sum + x + own / 2, 0) / (above.length === 0 ? 1 : above.length)
    }
    let x = left + (width - widthOf(row)) / 2
    for (const id of row.map((each) => [each, middle(each)] as const).sort(([, a], [, b]) => a - b).map(([each]) => each)) {
      const size = sizes.get(id)!
      boxes.set(id, { box: diagram.boxes.find((box) => box.id === id) ?? passBox, x, y: tops[index]!, ...size })
      x += size.width + gap.column
    }
  })
  return width
}

/** Stands where an arrow passes, until all is placed. */
const passBox: DiagramBox = { id: '', title: '', name: '', shape: 'operator', stores: [] }

function frameOf(title: string, inside: readonly Placed[]): PlacedGroup {
  const left = Math.min(...inside.map(({ x }) => x)) - gap.padding
  const top = Math.min(...inside.map(({ y }) => y)) - gap.padding - 6
  const right = Math.max(...inside.map(({ x, width }) => x + width)) + gap.padding
  const bottom = Math.max(...inside.map(({ y, height }) => y + height)) + gap.padding
  return { title, x: left, y: top, width: right - left, height: bottom - top }
}
