import { describe, expect, it } from 'vitest'
import { topic } from '../../../src/streams/topic.ts'
import { joinWithin } from '../../../src/streams/windows.ts'
import { Program, output, text } from './program.ts'

function joining(kind: 'leftJoin' | 'outerJoin', difference: number, grace: number) {
  return new Program((builder) => {
    const left = builder.stream(topic('left', text))
    const right = builder.stream(topic('right', text))
    const joiner = (a: string | null, b: string | null) => `${a}+${b}`
    const options = { within: joinWithin(difference, { grace }) }
    const joined = kind === 'leftJoin' ? left.leftJoin(right, joiner, options) : left.outerJoin(right, joiner, options)
    joined.to(output)
  })
}

describe('a left or outer join of streams', () => {
  it('waits for the grace before it sends a late row without a partner, and never sends it twice', () => {
    const program = joining('leftJoin', 5, 100)
    program.pipe('left', 'z,z@50')
    expect(program.pipe('left', 'k,A@40')).toEqual([])
    expect(program.pipe('right', 'k,a@41')).toEqual(['k,A+a@41'])
    expect(program.pipe('left', 'y,y@500')).toEqual(['z,z+null@50'])
  })

  it('sends every row that is due, though later rows still wait', () => {
    const program = joining('leftJoin', 5, 0)
    program.pipe('left', 'a,A@10', 'b,B@20', 'c,C@30')
    expect(program.pipe('left', 'x,x@31')).toEqual([])
    expect(program.pipe('left', 'x,y@36')).toEqual(['c,C+null@30'])
  })

  it('sends rows of both sides without partners', () => {
    const program = joining('outerJoin', 5, 0)
    program.pipe('left', 'a,A@10')
    program.pipe('right', 'b,B@10')
    expect(program.pipe('right', 'x,x@40')).toEqual(['b,null+B@10', 'a,A+null@10'])
  })
})
