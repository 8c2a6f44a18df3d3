import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import { StreamsBuilder, topic } from '../../../src/streams/index.ts'

function sameShape(): (a: object, b: object) => boolean {
  setFlagsFromString('--allow-natives-syntax')
  return runInNewContext('(a, b) => %HaveSameMap(a, b)') as (a: object, b: object) => boolean
}

function program() {
  const text = { key: stringSerde, value: stringSerde }
  const builder = new StreamsBuilder()
  builder.stream(topic('in', text)).join(builder.table(topic('table', text)), (a, b) => a + b).to(topic('out', text))
  return builder.build()
}

describe('TopologyWriter', () => {
  it('gives the nodes of programs that are built anew the shapes that those before had: code compiled for these goes on', () => {
    const isSame = sameShape()
    const built = Array.from({ length: 8 }, () => program().nodes)
    const [first, ...others] = built.slice(3)
    expect(others.map((nodes) => nodes.map((node, index) => isSame(node, first![index]!)))).toEqual(others.map((nodes) => nodes.map(() => true)))
  })
})
