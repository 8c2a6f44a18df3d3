import { diagramOf } from './diagram.ts'
import type { DiagramBox } from './diagram.ts'
import type { TopologyData } from './node.ts'

/** A Mermaid flowchart, as GitHub shows it in a fenced block. */
export function mermaidOf(topology: TopologyData): string {
  const { boxes, groups, arrows } = diagramOf(topology)
  const byId = new Map(boxes.map((box) => [box.id, box]))
  const stores = storeNames(boxes)
  const lines = [
    'flowchart TB',
    ...boxes.filter(({ shape }) => shape !== 'operator').map((box) => `  ${mermaidBox(box)}`),
    ...groups.flatMap(({ id, title, boxes: inside }) => [
      `  subgraph ${id}["${title}"]`,
      ...inside.map((box) => `    ${mermaidBox(byId.get(box)!)}`),
      '  end',
    ]),
    ...[...stores].map(([name, id]) => `  ${id}[("${mermaidText(name)}")]`),
    ...arrows.map(({ from, to }) => `  ${from} --> ${to}`),
    ...boxes.flatMap((box) => box.stores.map((name) => `  ${box.id} -.- ${stores.get(name)!}`)),
  ]
  return `${lines.join('\n')}\n`
}

function mermaidBox({ id, shape, title, name }: DiagramBox): string {
  const label = mermaidText(title) + (name === '' ? '' : `<br/><small>${mermaidText(name)}</small>`)
  switch (shape) {
    case 'topic': return `${id}(["${label}"])`
    case 'repartition': return `${id}{{"${label}"}}`
    case 'operator': return `${id}["${label}"]`
  }
}

function mermaidText(text: string): string {
  return text.replaceAll('&', '#amp;').replaceAll('"', '#quot;').replaceAll('<', '#lt;').replaceAll('>', '#gt;')
}

/** For Graphviz: `… | dot -Tsvg`. */
export function dotOf(topology: TopologyData): string {
  const { boxes, groups, arrows } = diagramOf(topology)
  const byId = new Map(boxes.map((box) => [box.id, box]))
  const stores = storeNames(boxes)
  const lines = [
    'digraph topology {',
    '  node [fontname="Helvetica", fontsize=11]',
    ...boxes.filter(({ shape }) => shape !== 'operator').map((box) => `  ${dotBox(box)}`),
    ...groups.flatMap(({ id, title, boxes: inside }) => [
      `  subgraph cluster_${id} {`,
      `    label=${dotText(title)}`,
      ...inside.map((box) => `    ${dotBox(byId.get(box)!)}`),
      '  }',
    ]),
    ...[...stores].map(([name, id]) => `  ${id} [label=${dotText(name)}, shape=cylinder]`),
    ...arrows.map(({ from, to }) => `  ${from} -> ${to}`),
    ...boxes.flatMap((box) => box.stores.map((name) => `  ${box.id} -> ${stores.get(name)!} [dir=none, style=dashed]`)),
    '}',
  ]
  return `${lines.join('\n')}\n`
}

function dotBox({ id, shape, title, name }: DiagramBox): string {
  const looks = { topic: 'shape=box, style="rounded,filled", fillcolor="#dbeafe"', repartition: 'shape=hexagon', operator: 'shape=box' }
  return `${id} [label=${dotText(name === '' ? title : `${title}\n${name}`)}, ${looks[shape]}]`
}

function dotText(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
}

/** Every store once, with an id. */
function storeNames(boxes: readonly DiagramBox[]): ReadonlyMap<string, string> {
  return new Map([...new Set(boxes.flatMap(({ stores }) => stores))].map((name, index) => [name, `store${index}`]))
}
