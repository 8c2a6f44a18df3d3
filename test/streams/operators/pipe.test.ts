import { bufferCount, delay, filter, map, mergeMap, of, scan } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import type { Stream } from '../../../src/streams/stream.ts'
import type { StreamRecord } from '../../../src/streams/stream-record.ts'
import { TopologyTestDriver } from '../../../src/streams/testing/index.ts'
import { topic } from '../../../src/streams/topic.ts'

const input = topic('in', { key: stringSerde, value: stringSerde })
const output = topic('out', { key: stringSerde, value: stringSerde })

function driverOf(build: (stream: Stream<string, string>) => Stream<string, string>): TopologyTestDriver {
  const builder = new StreamsBuilder()
  build(builder.stream(input)).to(output)
  return new TopologyTestDriver(builder.build())
}

describe('pipe', () => {
  it('lets any synchronous RxJS operator see and change records', () => {
    const driver = driverOf((stream) => stream.pipe(
      filter((record) => record.value !== 'skip'),
      scan((before: StreamRecord<string, string>, record) => record.withValue(`${before.value}${record.value}`)),
      mergeMap((record) => of(record, record.withValue(record.value.toUpperCase()))),
    ))
    driver.inputTopic(input).pipeAll(['a', 'skip', 'b'].map((value, timestamp) => ({ key: 'k', value, timestamp })))
    expect(driver.outputTopic(output).readAll().map(({ value, timestamp }) => `${value}@${timestamp}`)).toEqual(['a@0', 'A@0', 'ab@2', 'AB@2'])
  })

  it('may hold records back, to be sent with a later one', () => {
    const driver = driverOf((stream) => stream.pipe(bufferCount(2), map((records) => records[1]!.withValue(records.map(({ value }) => value).join('+')))))
    driver.inputTopic(input).pipeAll(['a', 'b', 'c'].map((value) => ({ value })))
    expect(driver.outputTopic(output).readValues()).toEqual(['a+b'])
  })

  it('names the operator and the record when one of them throws', () => {
    const driver = driverOf((stream) => stream.pipe(map((record) => {
      if (record.value === 'bad') throw new Error('boom')
      return record
    })))
    driver.inputTopic(input).pipe({ value: 'good' })
    expect(() => driver.inputTopic(input).pipe({ value: 'bad' })).toThrow('KSTREAM-PIPE-0000000001 failed on in-0 at offset 1 (task 0_0): boom')
  })

  it('keeps the name of the node when what comes after it fails', () => {
    const driver = driverOf((stream) => stream.pipe(map((record) => record)).mapValues((): string => { throw new Error('later') }, { name: 'after' }))
    expect(() => driver.inputTopic(input).pipe({ value: 'x' })).toThrow('after failed on in-0 at offset 0')
  })

  it('refuses a record that comes after its input was done', async () => {
    const driver = driverOf((stream) => stream.pipe(delay(0)))
    driver.inputTopic(input).pipe({ value: 'x' })
    await new Promise((resolve) => { setImmediate(() => setImmediate(resolve)) })
    await expect.poll(() => {
      try {
        driver.inputTopic(input).pipe({ value: 'y' })
        return 'no error'
      } catch (error) {
        return (error as Error).message
      }
    }).toContain('later than its input')
  })
})
