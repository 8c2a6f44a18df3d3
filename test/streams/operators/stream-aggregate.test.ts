import { describe, expect, it } from 'vitest'
import { jsonSerde, stringSerde } from '../../../src/core/index.ts'
import { topic } from '../../../src/streams/topic.ts'
import { Program, output, text } from './program.ts'

describe('an aggregate of a stream', () => {
  it('sends no old value for a new row, so that a grouped table downstream subtracts nothing that was never added', () => {
    const program = new Program((builder) => {
      builder.stream(topic('in', text)).groupByKey().aggregate(() => '0', (aggregate, value) => aggregate + value, { value: stringSerde })
        .groupBy((value): [string, string] => ['g', value], { key: stringSerde, value: stringSerde })
        .aggregate(() => '', (aggregate, value) => `${aggregate} +${value}`, (aggregate, value) => `${aggregate} -${value}`, { value: stringSerde })
        .toStream().to(output)
    })
    expect(program.pipe('in', 'a,x@1', 'b,y@2', 'b,z@3')).toEqual(['g, +0x@1', 'g, +0x +0y@2', 'g, +0x +0y -0y +0yz@3'])
  })

  it('keeps old and new value apart when the aggregator changes the object it is given', () => {
    const program = new Program((builder) => {
      builder.stream(topic('in', text)).groupByKey().aggregate(() => ({ seen: '' }), (aggregate, value) => {
        aggregate.seen += value
        return aggregate
      }, { value: jsonSerde<{ seen: string }>() })
        .groupBy(({ seen }) => [seen, seen] as const, { key: stringSerde, value: stringSerde })
        .count().toStream().mapValues(String).to(output)
    })
    expect(program.pipe('in', 'k,a@1', 'k,b@2', 'k,c@3')).toEqual(['a,1@1', 'a,0@2', 'ab,1@2', 'ab,0@3', 'abc,1@3'])
  })
})
