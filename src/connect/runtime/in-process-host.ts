import { abandonable } from './abandonable-task.ts'
import { runTask } from './run-task.ts'
import { TaskControl } from './task-control.ts'
import { TaskGauges } from './task-gauges.ts'
import type { HostedTask, HostedTaskOptions } from './task-host.ts'

/** Runs the task inside the worker: cheap, but a task that blocks or leaks takes the worker with it. */
export function hostInProcess({ spec, installed, isPaused, ...environment }: HostedTaskOptions): HostedTask {
  const control = new TaskControl({ paused: isPaused })
  const gauges = new TaskGauges()
  return {
    done: runTask(spec, { ...environment, plugin: abandonable(installed.plugin, control.abandonSignal), control, gauges }),
    pause: () => control.pause(),
    resume: () => control.resume(),
    stop: () => control.stop(),
    gauges: () => gauges.readings(),
    // code of the same thread cannot be ended, but what it does can be ignored
    kill: async () => control.abandon(),
  }
}
