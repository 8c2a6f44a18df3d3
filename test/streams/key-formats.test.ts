import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { longSerde, stringSerde } from '../../src/core/index.ts'
import { StreamsBuilder, joinWithin, topic } from '../../src/streams/index.ts'
import { TopologyTestDriver } from '../../src/streams/testing/index.ts'

const orders = topic('orders', { key: z.string(), value: z.object({ customer: z.string(), total: z.number() }) })
const customers = topic('customers', { key: z.string(), value: z.string() })
const out = topic('out', { key: z.string(), value: z.string() })
const names = Array.from({ length: 20 }, (_, index) => `customer ${index}`)

/** What comes out, by key, with the inputs in four partitions by the bytes of their keys. */
function results(builder: StreamsBuilder): ReadonlyMap<string | null, string | null> {
  const driver = new TopologyTestDriver(builder.build(), { partitions: 4 })
  for (const name of names) driver.inputTopic(customers).pipe({ key: name, value: name.toUpperCase(), timestamp: 1 })
  names.forEach((customer, total) => driver.inputTopic(orders).pipe({ key: `order ${total}`, value: { customer, total }, timestamp: 2 }))
  const found = driver.outputTopic(out).readToMap()
  driver.close()
  return found
}

const each = (text: (name: string, index: number) => string) => new Map(names.map((name, index) => [name, text(name, index)]))

describe('a stream with new keys, of which nobody said how they are written', () => {
  const byCustomer = (builder: StreamsBuilder) => builder.stream(orders).selectKey((order) => order.customer)

  it('meets a table whose topic says it', () => {
    const builder = new StreamsBuilder()
    byCustomer(builder).leftJoin(builder.table(customers), (order, name) => `${order.total} ${name}`).to(out)
    expect(results(builder)).toEqual(each((name, index) => `${index} ${name.toUpperCase()}`))
  })

  it('meets a stream whose topic says it, on either side', () => {
    const within = joinWithin('1s')
    const left = new StreamsBuilder()
    byCustomer(left).join(left.stream(customers), (order, name) => `${order.total} ${name}`, { within }).to(out)
    expect(results(left)).toEqual(each((name, index) => `${index} ${name.toUpperCase()}`))
    const right = new StreamsBuilder()
    right.stream(customers).join(byCustomer(right), (name, order) => `${order.total} ${name}`, { within }).to(out)
    expect(results(right)).toEqual(each((name, index) => `${index} ${name.toUpperCase()}`))
  })

  it('is counted with a stream whose topic says it, whichever comes first', () => {
    const grouped = (builder: StreamsBuilder) => builder.stream(orders).groupBy((order) => order.customer)
    const first = new StreamsBuilder()
    grouped(first).cogroup<string>((sum, order) => `${sum}${order.total}`)
      .cogroup(first.stream(customers).groupByKey(), (sum, name) => `${sum}${name} `).aggregate(() => '').toStream().to(out)
    expect(results(first)).toEqual(each((name, index) => `${name.toUpperCase()} ${index}`))
    const second = new StreamsBuilder()
    second.stream(customers).groupByKey().cogroup<string>((sum, name) => `${sum}${name} `)
      .cogroup(grouped(second), (sum, order) => `${sum}${order.total}`).aggregate(() => '').toStream().to(out)
    expect(results(second)).toEqual(each((name, index) => `${name.toUpperCase()} ${index}`))
  })

  it('keeps a format that it was given', () => {
    const builder = new StreamsBuilder()
    const numbers = topic('numbers', { key: longSerde, value: stringSerde })
    const joined = topic('joined', { key: longSerde, value: z.string() })
    builder.stream(orders).selectKey((order) => order.total)
      .join(builder.stream(numbers), (order, text) => `${order.total} ${text}`, { within: joinWithin('1s'), key: longSerde }).to(joined)
    const driver = new TopologyTestDriver(builder.build(), { partitions: 4 })
    for (let number = 0; number < 20; number++) driver.inputTopic(numbers).pipe({ key: number, value: `n${number}`, timestamp: 1 })
    names.forEach((customer, total) => driver.inputTopic(orders).pipe({ key: customer, value: { customer, total }, timestamp: 2 }))
    expect(driver.outputTopic(joined).readAll()).toHaveLength(20)
    driver.close()
  })
})

describe('keys in JSON, since nobody said how they are written, beside keys in text', () => {
  const said = { key: z.string() }
  const refusal = expect.objectContaining({ code: 'TOPOLOGY_INVALID', message: expect.stringContaining('equal keys would be in different partitions') as string }) as Error

  it('are refused where a stream went through a topic already', () => {
    const rekeyed = (builder: StreamsBuilder, options = {}) => builder.stream(orders).selectKey((order) => order.customer).repartition(options)
    const within = joinWithin('1s')
    const builder = new StreamsBuilder()
    expect(() => rekeyed(builder).join(builder.table(customers), (order) => order)).toThrow(refusal)
    expect(() => builder.stream(customers).join(rekeyed(builder), (name) => name, { within })).toThrow(refusal)
    const right = new StreamsBuilder()
    rekeyed(right, said).leftJoin(right.table(customers), (order, name) => `${order.total} ${name}`).to(out)
    expect(results(right)).toEqual(each((name, index) => `${index} ${name.toUpperCase()}`))
  })

  it('are refused where a table was made of them', () => {
    const table = (builder: StreamsBuilder, options = {}) => builder.stream(orders).selectKey((order) => order.customer).toTable(options)
    const builder = new StreamsBuilder()
    expect(() => builder.table(customers).join(table(builder), (name) => name)).toThrow(refusal)
    const right = new StreamsBuilder()
    table(right, said).join(right.table(customers), (order, name) => `${order.total} ${name}`).toStream().to(out)
    expect(results(right)).toEqual(each((name, index) => `${index} ${name.toUpperCase()}`))
  })

  it('are taken where they are numbers, or both in JSON', () => {
    const builder = new StreamsBuilder()
    const totals = topic('totals', { key: z.number(), value: z.string() })
    builder.stream(orders).selectKey((order) => order.total).repartition().join(builder.table(totals), (order, text) => `${order.total} ${text}`).to(topic('joined', { key: z.number(), value: z.string() }))
    expect(builder.build().describe()).toContain('KSTREAM-JOIN')
  })
})
