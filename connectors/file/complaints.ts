import type { Log } from 'millrace/connect'

/** Says each trouble once while it lasts, and once when it is over: what is retried must not fill the log. */
export class Complaints {
  readonly #log: Pick<Log, 'info' | 'warn'>
  readonly #open = new Set<string>()

  constructor(log: Pick<Log, 'info' | 'warn'>) {
    this.#log = log
  }

  say(key: string, text: string): void {
    if (this.#open.has(key)) return
    this.#open.add(key)
    this.#log.warn(text)
  }

  /** The trouble is over; `text` is said only if there was one. */
  settle(key: string, text: string): void {
    if (this.#open.delete(key)) this.#log.info(text)
  }
}
