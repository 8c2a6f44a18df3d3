import { expect, it } from 'vitest'
import { ConnectWorker, connectorError, openRestApi } from '../../../src/connect/index.ts'
import type { ConnectorSignal, SourcePlugin } from '../../../src/connect/index.ts'
import { afterTest, FedSource, KeepingSink, memoryLog, openBroker } from '../runtime/connect-kit.ts'

it('passes signals on to sources that take them, with their config, and says why not otherwise', async () => {
  const heard: (ConnectorSignal & { readonly limit: unknown })[] = []
  const [source, sink] = [new FedSource(), new KeepingSink()]
  const plain: SourcePlugin = source.plugin
  const hearing: SourcePlugin = {
    ...plain, class: 'HearingSource', aliases: [],
    createConnector: () => ({
      ...startedAlready, taskConfigs: () => [],
      signal: (config, signal) => {
        if (signal.type !== 'louder') throw connectorError(`there is no signal ${signal.type}; there is louder`)
        heard.push({ ...signal, limit: (config as Readonly<Record<string, unknown>>)['limit'] })
      },
    }),
  }
  const worker = ConnectWorker.open({ broker: await openBroker(), log: memoryLog(), plugins: [plain, hearing, sink.plugin], config: { 'task.host': 'in-process', listeners: 'http://127.0.0.1:0' } })
  afterTest(() => worker.stop())
  const api = await openRestApi({ herder: worker.herder, parts: worker.parts, isReady: () => true })
  afterTest(() => api.close())
  const send = async (method: string, path: string, body: unknown) => {
    const answer = await fetch(`${api.url}${path}`, { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
    return { status: answer.status, text: await answer.text() }
  }
  for (const [name, type] of [['plain', 'FedSource'], ['hearing', 'HearingSource'], ['sink', 'KeepingSink']]) {
    expect(await send('PUT', `/connectors/${name}/config`, { 'connector.class': type, ...(name === 'sink' ? { topics: 't' } : { limit: 7 }) })).toMatchObject({ status: 201 })
  }
  expect(await send('POST', '/connectors/hearing/signals', { type: 'louder', data: { by: 2 } })).toEqual({ status: 202, text: '' })
  expect(await send('POST', '/connectors/hearing/signals', { type: 'louder' })).toMatchObject({ status: 202 })
  expect(heard).toEqual([{ type: 'louder', data: { by: 2 }, limit: 7 }, { type: 'louder', data: {}, limit: 7 }])
  const refused = async (name: string, body: unknown) => {
    const { status, text } = await send('POST', `/connectors/${name}/signals`, body)
    return [status, (JSON.parse(text) as { readonly message: string }).message]
  }
  expect(await refused('hearing', { type: 'quiet' })).toEqual([400, 'there is no signal quiet; there is louder'])
  expect(await refused('hearing', { kind: 'louder' })).toEqual([400, expect.stringContaining('type')])
  expect(await refused('plain', { type: 'louder' })).toEqual([400, 'Connector plain takes no signals'])
  expect(await refused('sink', { type: 'louder' })).toEqual([400, 'Connector sink takes no signals'])
  expect(await refused('nobody', { type: 'louder' })).toEqual([404, 'Connector nobody not found'])
  expect(heard).toHaveLength(2)
})

const startedAlready = { start: () => undefined, stop: () => undefined }
