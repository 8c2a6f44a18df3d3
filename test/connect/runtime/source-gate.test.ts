import { describe, expect, it } from 'vitest'
import { hostBehind } from '../../../src/connect/runtime/source-gate.ts'
import type { HostedTask, HostedTaskOptions } from '../../../src/connect/runtime/task-host.ts'
import { StreamError } from '../../../src/core/index.ts'

/** A task that ends when it is stopped, and says what it is told. */
function recordingHost() {
  const calls: string[] = []
  const host = ({ isPaused }: HostedTaskOptions): HostedTask => {
    calls.push(`start ${isPaused ? 'paused' : 'running'}`)
    let end = () => {}
    const done = new Promise<void>((resolve) => { end = resolve })
    return { done, pause: () => calls.push('pause'), resume: () => calls.push('resume'), stop: () => end(), gauges: () => [], kill: async () => end() }
  }
  return { calls, host }
}

/** What a host that runs nothing needs of it. */
const options = { isPaused: false } as HostedTaskOptions

describe('a task behind a gate', () => {
  it('starts when it is let in, as it was told to be meanwhile', async () => {
    const { calls, host } = recordingHost()
    let letIn = () => {}
    const open = new Promise<void>((resolve) => { letIn = resolve })
    const task = hostBehind(() => open, host)(options)
    task.pause()
    expect(calls).toEqual([])
    letIn()
    await open
    await Promise.resolve()
    task.resume()
    expect(calls).toEqual(['start paused', 'resume'])
    task.stop()
    await task.done
  })

  it('never starts when it is stopped while it waits', async () => {
    const { calls, host } = recordingHost()
    const task = hostBehind((signal) => new Promise((_resolve, reject) => { signal.addEventListener('abort', () => reject(new StreamError('ABORTED', 'stopped'))) }), host)(options)
    task.stop()
    await task.done
    expect(calls).toEqual([])
  })

  it('fails with what keeps it out', async () => {
    const { calls, host } = recordingHost()
    await expect(hostBehind(() => Promise.reject(new StreamError('BACKEND_UNAVAILABLE', 'nobody leads')), host)(options).done).rejects.toThrow('nobody leads')
    expect(calls).toEqual([])
  })
})
