import { describe, expect, it } from 'vitest'
import { connectorError, runStandalone } from '../../../src/connect/index.ts'
import { afterTest, FedSource, KeepingSink, memoryLog, openBroker, until } from './connect-kit.ts'

const worker = { 'task.host': 'in-process', 'restart.policy': 'none' }

describe('runStandalone', () => {
  it('runs a pipeline from a source to a sink', async () => {
    const broker = await openBroker()
    const [source, sink] = [new FedSource(), new KeepingSink()]
    source.feed('a', 'b')
    const handle = await runStandalone(worker, [
      { name: 'in', config: { 'connector.class': 'FedSource' } },
      { name: 'out', config: { 'connector.class': 'KeepingSink', 'topics': 'fed' } },
    ], { broker, plugins: [source.plugin, sink.plugin], log: memoryLog() })
    afterTest(() => handle.stop())
    await until(() => sink.values.length === 2, 'both records arrive')
    expect(sink.values).toEqual(['a', 'b'])
    expect(handle.status().map(({ name, type }) => [name, type])).toEqual([['in', 'source'], ['out', 'sink']])
    await handle.stop()
    expect(sink.calls.at(-1)).toBe('stop')
  })

  it('starts nothing when one config is wrong, and says which', async () => {
    const broker = await openBroker()
    const source = new FedSource()
    const run = runStandalone(worker, [
      { name: 'in', config: { 'connector.class': 'FedSource' } },
      { name: 'out', config: { 'connector.class': 'FedSource', 'path': 'x' } },
    ], { broker, plugins: [source.plugin], log: memoryLog() })
    await expect(run).rejects.toThrow(/^connector "out": Connector configuration is invalid[^]*Unknown configuration "path"; known here: limit/)
    expect(source.started).toEqual([])
  })

  it('stops what it has started when a later connector cannot start', async () => {
    const broker = await openBroker()
    const source = new FedSource()
    const twice = { name: 'in', config: { 'connector.class': 'FedSource' } }
    await expect(runStandalone(worker, [twice, twice], { broker, plugins: [source.plugin], log: memoryLog() })).rejects.toThrow('Connector in already exists')
    expect(source.stops).toBe(source.started.length)
  })

  it('says when a connector has failed for good', async () => {
    const broker = await openBroker()
    const source = new FedSource()
    source.polls.push(() => { throw connectorError('the end') })
    const handle = await runStandalone(worker, [{ name: 'in', config: { 'connector.class': 'FedSource' } }], { broker, plugins: [source.plugin], log: memoryLog() })
    afterTest(() => handle.stop())
    await expect(handle.failed).rejects.toThrow('the end')
  })
})
