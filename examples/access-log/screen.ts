import type { TopPaths } from './top-paths.ts'

export interface Progress {
  readonly seconds: number
  /** Lines of the log that the source connector has brought into the topic. */
  readonly lines: number
  readonly deadLetters: number
}

/** A table that is drawn over itself on a terminal; elsewhere, such as in a CI log, one line each time. */
export class Screen {
  #out: NodeJS.WriteStream
  #height = 0

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
  }

  show(progress: Progress, paths: TopPaths): void {
    if (this.#out.isTTY) this.#draw(table(progress, paths))
    else this.#out.write(`${line(progress, paths)}\n`)
  }

  #draw(rows: readonly string[]): void {
    const up = this.#height === 0 ? '' : `\u001b[${this.#height}A`
    this.#out.write(`${up}${rows.map((row) => `\u001b[2K${row}\n`).join('')}\u001b[J`)
    this.#height = rows.length
  }
}

export function line({ seconds, lines, deadLetters }: Progress, paths: TopPaths): string {
  const top = paths.top(3).map(({ path, total }) => `${path} ${number(total)}`)
  return `${seconds.toFixed(0).padStart(3)} s  ${number(lines)} lines read  ${number(paths.totalHits)} hits counted  ${number(deadLetters)} bad lines  top: ${top.join(', ')}`
}

export function table({ seconds, lines, deadLetters }: Progress, paths: TopPaths): string[] {
  const minute = paths.newestMinute === 0 ? '' : new Date(paths.newestMinute).toISOString().slice(11, 16)
  const rows = paths.top(10).map(({ path, lastMinute, total }) => `  ${path.padEnd(24).slice(0, 24)}${number(lastMinute).padStart(12)}${number(total).padStart(12)}`)
  return [
    `  ${seconds.toFixed(0)} s   ${number(lines)} lines read   ${number(paths.totalHits)} hits counted   ${number(deadLetters)} bad lines set aside`,
    '',
    `  ${'path'.padEnd(24)}${`minute ${minute}`.padStart(12)}${'in all'.padStart(12)}`,
    ...rows,
  ]
}

function number(value: number): string {
  return value.toLocaleString('en-US')
}
