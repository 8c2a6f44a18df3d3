import type { Log } from '../connector.ts'

/** Writes warnings and errors, and what is worth knowing, to standard error; debugging text nowhere. */
export const consoleLog: Log = {
  debug: () => {},
  info: (text) => { console.error(text) },
  warn: (text) => { console.error(`warning: ${text}`) },
  error: (text) => { console.error(`error: ${text}`) },
}
