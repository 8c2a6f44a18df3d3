import { describe, expect, it } from 'vitest'
import type { RawConfig, SourcePlugin } from '../../../../src/connect/index.ts'
import type { CheckedConfig } from '../../../../src/connect/runtime/check-config.ts'
import { sourceConfig } from '../../../../src/connect/runtime/connector-config.ts'
import { ConnectorInstance } from '../../../../src/connect/runtime/herder/connector-instance.ts'
import { unavailable } from '../../../../src/connect/runtime/herder/refusal.ts'
import { seededRandom, StreamError } from '../../../../src/core/index.ts'
import type { Clock } from '../../../../src/core/index.ts'
import { ManualClock } from '../../../kit/manual-clock.ts'
import { FedSource, memoryLog } from '../connect-kit.ts'

const gracefulMs = 5_000

function instanceOf(plugin: SourcePlugin, clock: Clock, onPlan: (tasks: readonly RawConfig[]) => Promise<void>) {
  const config = { 'name': 'fed', 'connector.class': 'FedSource' }
  const checked: CheckedConfig = { named: { name: 'fed', config }, installed: { plugin, module: null }, config: sourceConfig.parse(config) }
  const log = memoryLog()
  return { log, instance: new ConnectorInstance({ checked, resolve: (raw) => raw, clock, random: seededRandom(1), log, gracefulMs, onPlan, onChange: () => {} }) }
}

describe('a connector', () => {
  it('keeps its plan for when somebody leads, if nobody does', async () => {
    const clock = new ManualClock()
    const kept: unknown[] = []
    let hasLeader = false
    const { instance } = instanceOf(new FedSource().plugin, clock, async (tasks) => {
      if (!hasLeader) throw unavailable('nobody leads the cluster now')
      kept.push(tasks)
    })
    const started = instance.start()
    await clock.advance(20_000)
    expect(instance.status).toMatchObject({ state: 'UNASSIGNED', waitingFor: expect.stringContaining('nobody leads') as string })
    hasLeader = true
    await clock.advance(60_000)
    await started
    expect(kept).toEqual([[{}]])
    expect(instance.status).toEqual({ state: 'RUNNING' })
    await instance.stop()
  })

  it.each(['NOT_AUTHORIZED', 'TIMEOUT', 'STORAGE_ERROR'] as const)('keeps its plan when the log takes it again, though it was refused for good (%s)', async (code) => {
    const clock = new ManualClock()
    const kept: unknown[] = []
    let refusals = 3
    const { instance } = instanceOf(new FedSource().plugin, clock, async (tasks) => {
      if (refusals-- > 0) throw new StreamError(code, 'the log does not take it')
      kept.push(tasks)
    })
    const started = instance.start()
    await clock.advance(100)
    expect(instance.status).toMatchObject({ state: 'UNASSIGNED', waitingFor: expect.stringContaining('the log does not take it') as string })
    await clock.advance(60_000)
    await started
    expect(kept).toEqual([[{}]])
    expect(instance.status).toEqual({ state: 'RUNNING' })
    await instance.stop()
  })

  it('fails when its plan does not fit into a record', async () => {
    const { instance } = instanceOf(new FedSource().plugin, new ManualClock(), () => Promise.reject(new StreamError('RECORD_TOO_LARGE', 'it is too large')))
    await instance.start()
    expect(instance.status).toMatchObject({ state: 'FAILED', failure: { message: 'it is too large' } })
    await instance.stop()
  })

  it('whose stop hangs is left behind', async () => {
    const clock = new ManualClock()
    const { plugin } = new FedSource()
    const { instance, log } = instanceOf({ ...plugin, createConnector: () => ({ ...plugin.createConnector(), stop: () => new Promise(() => {}) }) }, clock, async () => {})
    await instance.start()
    const stopped = instance.stop()
    await clock.advance(gracefulMs)
    await stopped
    expect(log.lines).toContainEqual(`warn: connector fed: has not stopped after ${gracefulMs} ms and is left behind`)
  })
})
