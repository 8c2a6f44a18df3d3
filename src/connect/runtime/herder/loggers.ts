import type { Clock } from '../../../core/index.ts'
import type { Log } from '../../connector.ts'
import { badRequest, notFound } from './refusal.ts'

export interface LoggerLevel {
  readonly level: string
  /** Milliseconds since the epoch; null: never changed. */
  readonly last_modified: number | null
}

/** From the quietest on; a logger lets through what stands at or before its own. */
const levels = ['OFF', 'FATAL', 'ERROR', 'WARN', 'INFO', 'DEBUG', 'TRACE', 'ALL']

/** The logger of the worker itself; that of a connector is called this and its name. */
export const workerLogger = 'millrace.connect'

/** Levels of loggers that are named like packages: a logger has its own level, or that of the nearest above it. */
export class Loggers {
  readonly #clock: Clock
  readonly #levels = new Map<string, LoggerLevel>([['root', { level: 'INFO', last_modified: null }]])

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Those with a level of their own. */
  all(): Readonly<Record<string, LoggerLevel>> {
    return Object.fromEntries([...this.#levels].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  }

  /** @throws 404 for a logger that has no level of its own */
  get(name: string): LoggerLevel {
    const found = this.#levels.get(name.toLowerCase() === 'root' ? 'root' : name)
    if (found === undefined) throw notFound(`Logger ${name} not found.`)
    return found
  }

  /** Answers the loggers that it changed: the one named and those below it. @throws 400 without a level, 404 for one that does not exist */
  set(namespace: string, level: unknown): readonly string[] {
    this.check(level)
    const wanted = (level as string).trim().toUpperCase()
    const below = [...this.#levels.keys()].filter((name) => name !== namespace && (namespace === 'root' || name.startsWith(`${namespace}.`)))
    const changed = [namespace, ...below].filter((name) => this.#levels.get(name)?.level !== wanted)
    for (const name of changed) this.#levels.set(name, { level: wanted, last_modified: this.#clock.now() })
    return changed.toSorted()
  }

  /** @throws 400 without a level, 404 for one that does not exist */
  check(level: unknown): void {
    if (level === undefined || level === null) throw badRequest("Desired 'level' parameter was not specified in request.")
    if (level === '') throw badRequest('Illegal null or empty Level name.')
    if (typeof level !== 'string' || !levels.includes(level.trim().toUpperCase())) throw notFound(`invalid log level '${typeof level === 'string' ? level : JSON.stringify(level)}'.`)
  }

  /** What a log lets through under the levels as they are at the time of writing. */
  logFor(name: string, log: Log): Log {
    const at = (level: keyof Log) => (text: string) => {
      if (levels.indexOf(level.toUpperCase()) <= levels.indexOf(this.#effective(name))) log[level](text)
    }
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  }

  #effective(name: string): string {
    for (let at = name; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('.')))) {
      const own = this.#levels.get(at)
      if (own !== undefined) return own.level
    }
    return this.#levels.get('root')!.level
  }
}
