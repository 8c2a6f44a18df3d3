import { StreamError } from '../../core/index.ts'
import type { ConnectorPlugin } from '../connector.ts'

type Method = (...parameters: readonly unknown[]) => unknown

const methodNames = ['start', 'poll', 'commitRecord', 'commit', 'open', 'put', 'flush', 'preCommit', 'close', 'stop']

/**
 * Of a plugin inside the worker, whose code cannot be ended from outside: a call of its tasks that hangs fails once the task is abandoned, so
 * that the worker can leave the group and close what is open, as if its thread had been ended. The task is stopped when the call comes back.
 */
export function abandonable<P extends ConnectorPlugin>(plugin: P, abandoned: AbortSignal): P {
  return Object.assign(Object.create(plugin) as P, { createTask: () => guard(plugin.createTask(), abandoned) })
}

function guard(task: object, abandoned: AbortSignal): object {
  let running: unknown
  const methodOf = (name: string) => Reflect.get(task, name) as Method | undefined
  const call = (name: string, parameters: readonly unknown[]) => {
    running = Reflect.apply(methodOf(name)!, task, parameters)
    return isThenable(running) ? orAbandoned(running, abandoned) : running
  }
  const calls: Record<string, Method> = {}
  for (const name of methodNames) {
    if (methodOf(name) === undefined) continue
    calls[name] = (...parameters) => {
      if (!abandoned.aborted) return call(name, parameters)
      if (name !== 'stop') throw abandonment()
      void Promise.resolve(running).catch(() => {}).then(() => call(name, parameters)).catch(() => {})
      return undefined
    }
  }
  return calls
}

function orAbandoned(result: PromiseLike<unknown>, abandoned: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(abandonment())
    abandoned.addEventListener('abort', leave, { once: true })
    result.then(resolve, reject)
    void Promise.resolve(result).catch(() => {}).finally(() => abandoned.removeEventListener('abort', leave))
  })
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function'
}

function abandonment(): StreamError {
  return new StreamError('ABORTED', 'the task was asked to stop, did not in time, and was abandoned')
}
