import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import type { GroupedStream } from '../../../src/streams/grouped-stream.ts'
import type { Stream } from '../../../src/streams/stream.ts'
import { topic } from '../../../src/streams/topic.ts'
import { session, sliding, tumbling } from '../../../src/streams/windows.ts'
import { Program, output, showWindow, text } from './program.ts'

describe('an aggregate of windows', () => {
  it('sends the final result of every window, however far the record that closes it jumps', () => {
    const program = new Program((builder) => {
      builder.stream(topic('in', text)).groupByKey().windowedBy(tumbling(10, { grace: 5 })).emit('on-window-close').count()
        .toStream().selectKey(showWindow).mapValues(String).to(output)
    })
    expect(program.pipe('in', 'a,x@1', 'b,x@12')).toEqual([])
    expect(program.pipe('in', 'x,x@40')).toEqual(['a[0,10],1@1', 'b[10,20],1@12'])
    expect(program.pipe('in', 'x,x@60000000')).toEqual(['x[40,50],1@40'])
  })

  it.each<readonly [string, (grouped: GroupedStream<string, string>) => Stream<string, string>, readonly string[]]>([
    ['windows', (grouped) => grouped.windowedBy(tumbling(10)).emit('on-window-close').count().toStream().selectKey(showWindow).mapValues(String), ['k[0,10],2@2', 'k[20,30],1@25']],
    ['sliding windows', (grouped) => grouped.windowedBy(sliding(5)).emit('on-window-close').count().toStream().selectKey(showWindow).mapValues(String), ['k[0,5],2@2', 'k[2,7],1@2', 'k[20,25],1@25']],
    ['sessions', (grouped) => grouped.windowedBy(session(5)).emit('on-window-close').count().toStream().selectKey(showWindow).mapValues(String), ['k[1,2],2@2', 'k[25,25],1@25']],
  ])('sends nothing but final results of %s, where there is room for a cache, too', (_name, count, expected) => {
    const program = new Program((builder) => {
      count(builder.stream(topic('in', text)).groupByKey()).to(output)
    }, { cacheMaxBytes: 100_000 })
    expect(program.pipe('in', 'k,x@1', 'k,x@2', 'k,x@25', 'k,x@60')).toEqual(expected)
  })

  it('sends no final result again after a restart', () => {
    const program = new Program((builder) => {
      builder.stream(topic('in', text)).groupByKey().windowedBy(tumbling(10)).emit('on-window-close').count()
        .toStream().selectKey(showWindow).mapValues(String).to(output)
    })
    expect(program.pipe('in', 'a,x@1', 'b,x@12')).toEqual(['a[0,10],1@1'])
    program.driver.restart()
    expect(program.pipe('in', 'c,x@13')).toEqual([])
    expect(program.pipe('in', 'c,x@25')).toEqual(['b[10,20],1@12', 'c[10,20],1@13'])
  })

  it('finds the aggregate of a window that is open by its own clock, though another input of the group is far ahead', () => {
    const program = new Program((builder) => {
      const [x, y] = ['x', 'y'].map((name) => builder.stream(topic(name, text)).groupByKey())
      x!.cogroup((aggregate: string, value) => `${aggregate}x${value}`).cogroup(y!, (aggregate, value) => `${aggregate}y${value}`)
        .windowedBy(tumbling(8, { grace: 6 })).aggregate(() => '', { value: stringSerde }).toStream().selectKey(showWindow).to(output)
    })
    expect(program.pipe('x', 'a,1@1', 'a,3@60')).toEqual(['a[0,8],x1@1', 'a[56,64],x3@60'])
    expect(program.pipe('y', 'a,4@3', 'a,5@4')).toEqual(['a[0,8],x1y4@3', 'a[0,8],x1y4y5@4'])
  })
})
