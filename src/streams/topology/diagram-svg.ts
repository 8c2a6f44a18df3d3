import { diagramOf } from './diagram.ts'
import type { DiagramBox } from './diagram.ts'
import { layOut } from './diagram-layout.ts'
import type { Layout, Placed, PlacedGroup } from './diagram-layout.ts'
import type { TopologyData } from './node.ts'

const maxCharacters = 40
/** Of letters, in pixels. */
const titleSize = 13
const nameSize = 10

interface Colours {
  readonly ink: string
  readonly soft: string
  readonly line: string
  readonly paper: string
  readonly frame: string
  readonly box: string
  readonly topic: string
  readonly repartition: string
  readonly store: string
}

const light: Colours = { ink: '#1f2937', soft: '#6b7280', line: '#94a3b8', paper: '#ffffff', frame: '#f8fafc', box: '#ffffff', topic: '#dbeafe', repartition: '#fef3c7', store: '#dcfce7' }
const dark: Colours = { ink: '#e5e7eb', soft: '#9ca3af', line: '#64748b', paper: '#0b1220', frame: '#111a2c', box: '#1b2740', topic: '#1e3a5f', repartition: '#4a3b12', store: '#14402a' }

function colouring({ ink, soft, line, paper, frame, box, topic, repartition, store }: Colours): string {
  return `text { fill: ${ink} } .name, .title { fill: ${soft} } .paper { fill: ${paper} } .frame { fill: ${frame} } .operator { fill: ${box} }`
    + ` .topic { fill: ${topic} } .repartition { fill: ${repartition} } .store { fill: ${store} } .head { fill: ${line} } .frame, .operator, .topic, .repartition, .store, .arrow { stroke: ${line} }`
}

/** Follows the reader's light or dark preference; no script, no font of its own, no variables, which converters to PNG do not know. */
const style = `
  text { font: ${titleSize}px ui-sans-serif, system-ui, "Helvetica Neue", Arial, sans-serif; text-anchor: middle }
  .name, .title { font-size: ${nameSize}px }
  .title { text-anchor: start; letter-spacing: .04em }
  .frame { stroke-dasharray: 4 4 }
  .arrow { fill: none; stroke-width: 1.5 }
  ${colouring(light)}
  @media (prefers-color-scheme: dark) { ${colouring(dark)} }`

/** A picture that stands for itself: boxes for operators with the stores they keep, pills for topics, a frame around each sub-topology. */
export function svgOf(topology: TopologyData): string {
  const layout = layOut(diagramOf(topology), sizeOf)
  const { width, height, boxes, groups } = layout
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${round(width)} ${round(height)}" width="${round(width)}" height="${round(height)}" role="img">`,
    `<title>topology: ${boxes.size} operators and topics in ${groups.length} sub-topologies</title>`,
    `<style>${style}\n</style>`,
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="head" d="M0 0 8 4 0 8z"/></marker></defs>',
    `<rect class="paper" width="100%" height="100%"/>`,
    ...groups.map(drawGroup),
    ...drawArrows(layout),
    ...[...boxes.values()].map(drawBox),
    '</svg>\n',
  ].join('\n')
}

function sizeOf({ title, name, stores }: DiagramBox): { readonly width: number; readonly height: number } {
  const width = Math.max(120, 28 + widthOf(title, titleSize), 28 + widthOf(name, nameSize), ...stores.map((store) => 44 + widthOf(store, nameSize)))
  return { width, height: 34 + (name === '' ? 0 : 14) + stores.length * 20 }
}

function drawGroup({ title, x, y, width, height }: PlacedGroup): string {
  return `<rect class="frame" x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" rx="10"/>`
    + `<text class="title" x="${round(x + 10)}" y="${round(y + 14)}">${escaped(title)}</text>`
}

function drawArrows({ arrows, boxes }: Layout): readonly string[] {
  return arrows.map(({ from, to, passes }) => {
    const [start, end] = [boxes.get(from)!, boxes.get(to)!]
    const [x1, y1, x2, y2] = [start.x + start.width / 2, start.y + start.height, end.x + end.width / 2, end.y - 2]
    // A loop through a topic goes up again, around the side.
    if (y2 <= y1) return `<path class="arrow" marker-end="url(#head)" d="M${round(start.x + start.width)} ${round(start.y + start.height / 2)} C ${round(start.x + start.width + 60)} ${round(start.y)} ${round(end.x + end.width + 60)} ${round(end.y)} ${round(end.x + end.width + 2)} ${round(end.y + end.height / 2)}"/>`
    let x = x1
    let y = y1
    const bends = [...passes, { x: x2, top: y2, bottom: y2 }].map((pass) => {
      const bend = (pass.top - y) / 2
      const path = ` C ${round(x)} ${round(y + bend)} ${round(pass.x)} ${round(pass.top - bend)} ${round(pass.x)} ${round(pass.top)}${pass.bottom > pass.top ? ` V ${round(pass.bottom)}` : ''}`
      x = pass.x
      y = pass.bottom
      return path
    })
    return `<path class="arrow" marker-end="url(#head)" d="M${round(x1)} ${round(y1)}${bends.join('')}"/>`
  })
}

function drawBox({ box, x, y, width, height }: Placed): string {
  const middle = x + width / 2
  const rounding = box.shape === 'operator' ? 6 : height / 2
  const stores = box.stores.map((store, index) => {
    const top = y + height - 22 - (box.stores.length - 1 - index) * 20
    return `<rect class="store" x="${round(x + 10)}" y="${round(top)}" width="${round(width - 20)}" height="16" rx="8"/><text class="name" x="${round(middle)}" y="${round(top + 11.5)}">${escaped(shortened(store))}</text>`
  })
  return [
    `<g><title>${escaped([box.title, box.name, ...box.stores].filter((part) => part !== '').join('\n'))}</title>`,
    `<rect class="${box.shape}" x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" rx="${round(rounding)}"/>`,
    `<text x="${round(middle)}" y="${round(y + 21)}">${escaped(shortened(box.title))}</text>`,
    ...(box.name === '' ? [] : [`<text class="name" x="${round(middle)}" y="${round(y + 36)}">${escaped(shortened(box.name))}</text>`]),
    ...stores,
    '</g>',
  ].join('')
}

/** Automatic names differ at their end: what is left out is in the middle. */
function shortened(text: string): string {
  if (text.length <= maxCharacters) return text
  const begin = Math.ceil((maxCharacters - 1) / 2)
  return `${text.slice(0, begin)}…${text.slice(text.length - (maxCharacters - 1 - begin))}`
}

/** In pixels, as shown, at the most: widths of common fonts without serifs, of which the wider ones take a little more than Arial. */
function widthOf(text: string, size: number): number {
  let ems = 0
  for (const character of shortened(text)) {
    if (/[\p{Lu}mw…]/u.test(character)) ems += 0.76
    else ems += /[-.:,;|!()[\]ijl ]/.test(character) ? 0.38 : 0.62
  }
  return ems * size
}

function round(number: number): number {
  return Math.round(number * 10) / 10
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
