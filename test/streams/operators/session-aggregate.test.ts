import { describe, expect, it } from 'vitest'
import { topic } from '../../../src/streams/topic.ts'
import { session } from '../../../src/streams/windows.ts'
import { Program, output, showWindow, text } from './program.ts'

function counting(emit: 'on-update' | 'on-window-close', type: 'persistent' | 'inMemory' = 'persistent') {
  return new Program((builder) => {
    builder.stream(topic('in', text)).groupByKey().windowedBy(session(5, { grace: 10 })).emit(emit).count({ store: 's', type })
      .toStream().selectKey(showWindow).mapValues((value) => `${value}`).to(output)
  })
}

describe('an aggregate of sessions', () => {
  it('finds a session that ends exactly gap and grace before now: it still takes records', () => {
    const program = counting('on-update')
    program.pipe('in', 'k,a@20', 'x,a@34', 'k,ok@20', 'x,a@35')
    expect(program.pipe('in', 'k,edge@20')).toEqual(['k[20,20],3@20'])
  })

  it.each(['persistent', 'inMemory'] as const)('sends the final result of a session that is kept %s', (type) => {
    const program = counting('on-window-close', type)
    expect(program.pipe('in', 'k,a@1', 'k,a@4', 'j,a@12')).toEqual([])
    expect(program.pipe('in', 'j,a@500')).toEqual(['k[1,4],2@4', 'j[12,12],1@12'])
  })
})
