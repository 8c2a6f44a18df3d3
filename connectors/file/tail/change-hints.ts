/**
 * Wakes a reader early when the system says that something changed in a folder. Only a hint: events get lost and do not come at
 * all on network file systems, so the reader looks at its files and folders from time to time anyway.
 */
import type { Clock, Log } from 'millrace/connect'
import type { FSWatcher } from 'chokidar'
import type { PathPattern } from './path-pattern.ts'
import { rotationBase } from './rotation-names.ts'

export class ChangeHints {
  readonly #clock: Clock
  #watcher: FSWatcher | undefined
  #wake: (() => void) | undefined
  #changed = false
  #namesChanged = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async start(patterns: readonly PathPattern[], log: Pick<Log, 'warn'>): Promise<void> {
    const { watch } = await import('chokidar')
    const roots = [...new Set(patterns.map(({ root }) => root))]
    const depth = Math.min(100, Math.max(...patterns.map((pattern) => pattern.depth)))
    const concerns = (path: string) => patterns.some((pattern) => pattern.matches(path) || pattern.matches(rotationBase(path)))
    const watcher = watch(roots, { depth, ignoreInitial: true, ignored: (path, stats) => stats?.isFile() === true && !concerns(path) })
    watcher.on('all', (event) => this.#hint(event !== 'change'))
    // Each file that cannot be watched tells so: one is enough to say.
    watcher.once('error', (error) => log.warn(`not every change is noticed at once (${(error as Error).message}); files are looked at from time to time anyway`))
    watcher.on('error', () => undefined)
    this.#watcher = watcher
  }

  /** True once after a file came, went or was renamed. */
  takeNamesChanged(): boolean {
    const changed = this.#namesChanged
    this.#namesChanged = false
    return changed
  }

  /** Resolves at a hint, after `timeoutMs`, or when the signal fires. */
  wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#changed || signal.aborted) {
      this.#changed = false
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel()
        signal.removeEventListener('abort', done)
        this.#wake = undefined
        this.#changed = false
        resolve()
      }
      const timer = this.#clock.setTimer(timeoutMs, done)
      signal.addEventListener('abort', done, { once: true })
      this.#wake = done
    })
  }

  async close(): Promise<void> {
    await this.#watcher?.close()
  }

  #hint(names: boolean): void {
    this.#changed = true
    this.#namesChanged ||= names
    this.#wake?.()
  }
}
