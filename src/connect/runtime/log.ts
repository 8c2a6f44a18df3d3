import type { Log } from '../connector.ts'

/** For where nobody listens. */
export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** Writes to standard error. What is for debugging a worker keeps back, unless its loggers say otherwise. */
export const consoleLog: Log = {
  debug: (text) => { console.error(`debug: ${text}`) },
  info: (text) => { console.error(text) },
  warn: (text) => { console.error(`warning: ${text}`) },
  error: (text) => { console.error(`error: ${text}`) },
}
