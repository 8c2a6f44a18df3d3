import { systemClock } from '../../core/index.ts'
import type { Log } from '../connector.ts'

/** For where nobody listens. */
export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** Writes to standard error, with the time. What is for debugging a worker keeps back, unless its loggers say otherwise. */
export const consoleLog: Log = {
  debug: (text) => write('debug', text),
  info: (text) => write('info', text),
  warn: (text) => write('warning', text),
  error: (text) => write('error', text),
}

function write(level: string, text: string): void {
  console.error(`${new Date(systemClock.now()).toISOString()} ${level}: ${text}`)
}

/** For a plugin, which does not say whose it is: many of one kind may run in a worker. */
export function logOf(name: string, log: Log): Log {
  const at = (level: keyof Log) => (text: string) => log[level](`${name}: ${text}`)
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
