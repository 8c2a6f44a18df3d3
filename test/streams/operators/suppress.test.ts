import { describe, expect, it } from 'vitest'
import { topic } from '../../../src/streams/topic.ts'
import { sliding } from '../../../src/streams/windows.ts'
import { Program, output, showWindow, text } from './program.ts'

describe('suppress', () => {
  it('sends a final result once, when no record can change it any more, also where the end belongs to the window', () => {
    const program = new Program((builder) => {
      builder.stream(topic('in', text)).groupByKey().windowedBy(sliding(5, { grace: 10 })).count()
        .suppress({ until: 'window-closes' }).toStream().selectKey(showWindow).mapValues(String).to(output)
    })
    expect(program.pipe('in', 'k,a@20', 'x,a@30', 'k,late@20')).toEqual([])
    expect(program.pipe('in', 'x,b@31')).toEqual(['k[15,20],2@20'])
    expect(program.pipe('in', 'k,late2@20')).toEqual([])
  })

  it('shows a table that is joined with it the rows as they were sent, not those it holds back', () => {
    const program = new Program((builder) => {
      const held = builder.table(topic('left', text)).suppress({ until: 10 })
      held.leftJoin(builder.table(topic('right', text)), (left, right) => `${left}+${right}`).toStream().to(output)
    })
    expect(program.pipe('left', 'k,A@1', 'other,x@20')).toEqual(['k,A+null@1'])
    program.pipe('left', 'k,B@21')
    expect(program.pipe('right', 'k,a@22')).toEqual(['k,A+a@22'])
    expect(program.pipe('left', 'other,y@40')).toEqual(['other,y+null@40', 'k,B+a@22'])
  })
})
