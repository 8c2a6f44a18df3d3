/** A store of many rows is restored, and what needs no restoring goes on meanwhile: it is not the end of restoring that it waits for. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { stringSerde } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../src/streams/index.ts'
import type { StreamsConfig } from '../../src/streams/index.ts'
import { createTopics, openMemoryBroker, readAll, write } from '../kit/streams-harness.ts'

const rows = 60_000
const live = 2_000
const text = { key: stringSerde, value: stringSerde }

let broker: Broker
beforeEach(async () => {
  broker = await openMemoryBroker()
  await createTopics(broker, { rows: 1, in: 1, out: 1 })
})
afterEach(() => broker.close())

/** Two sub-topologies: one with a large store, one without any. */
function appWith(seen: () => void, settings: Partial<StreamsConfig> = {}): StreamsApp {
  const builder = new StreamsBuilder()
  builder.stream(topic('rows', text)).groupByKey().reduce((_before, value) => value, { store: 'large' })
  builder.stream(topic('in', text)).peek(seen).to(topic('out', text))
  return new StreamsApp(builder.build(), { applicationId: 'app', broker, commitInterval: 20, ...settings })
}

it(`a StreamTask without stores processes ${live} records while ${rows} rows of another one are restored`, async () => {
  await write(broker, 'rows', Array.from({ length: rows }, (_, index) => ({ key: `key ${index}`, value: 'x'.repeat(200) })))
  const first = appWith(() => {})
  await first.start()
  await first.caughtUp()
  await first.close()

  await write(broker, 'in', Array.from({ length: live }, (_, index) => ({ key: `key ${index}`, value: 'x' })))
  let processed = 0
  const restored: { readonly step: string; readonly records: number; readonly processed: number }[] = []
  let isRestored = () => {}
  const end = new Promise<void>((resolve) => { isRestored = resolve })
  const onRestore: StreamsConfig['onRestore'] = ({ step, records }) => {
    restored.push({ step, records, processed })
    if (step === 'end') isRestored()
  }
  const second = appWith(() => { processed++ }, { onRestore })
  await second.start()
  await Promise.all([end, second.caughtUp()])
  await second.close()

  expect(restored.filter(({ step }) => step === 'batch').reduce((sum, { records }) => sum + records, 0)).toBe(rows)
  expect(restored.find(({ step }) => step === 'end')!.processed, 'records that were processed before the store was restored').toBe(live)
  expect((await readAll(broker, 'out')).length).toBe(live)
}, 120_000)
