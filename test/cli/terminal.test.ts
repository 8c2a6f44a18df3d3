import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { processTerminal, stopped } from '../../src/cli/terminal.ts'
import type { TerminalProcess } from '../../src/cli/terminal.ts'

/** The parts of `process` that a terminal uses, with signals and exits that a test can see. */
class TestProcess extends EventEmitter {
  readonly stdin = new PassThrough()
  readonly stdout = new PassThrough()
  readonly stderr = new PassThrough()
  readonly exits: number[] = []

  exit(code: number): void {
    this.exits.push(code)
  }
}

function open() {
  const process = new TestProcess()
  return { process, terminal: processTerminal(process as unknown as TerminalProcess) }
}

describe('processTerminal()', () => {
  it('asks to stop at the first signal, and ends the process at the second', () => {
    const { process, terminal } = open()
    expect(terminal.stop.aborted).toBe(false)
    process.emit('SIGTERM', 'SIGTERM')
    expect(terminal.stop.aborted).toBe(true)
    expect(process.exits).toEqual([])
    process.emit('SIGTERM', 'SIGTERM')
    process.emit('SIGINT', 'SIGINT')
    expect(process.exits).toEqual([143, 130])
  })

  it('asks to stop when nobody reads the output any more', async () => {
    const { process, terminal } = open()
    process.stdout.destroy(new Error('EPIPE'))
    await stopped(terminal)
    expect(String(process.stderr.read())).toBe('stopping: nobody reads the output (EPIPE)\n')
    await terminal.write('into nothing')
    expect(process.exits).toEqual([])
  })

  it('ends the input with the stop, also while it waits for more', async () => {
    const { process, terminal } = open()
    const chunks: string[] = []
    const reading = (async () => {
      for await (const chunk of terminal.input()) {
        chunks.push(Buffer.from(chunk).toString())
        process.emit('SIGINT', 'SIGINT')
      }
    })()
    process.stdin.write('first')
    await reading
    expect(chunks).toEqual(['first'])
  })

  it('passes a failure of the input on', async () => {
    const { process, terminal } = open()
    process.stdin.destroy(new Error('unreadable'))
    await expect(terminal.input()[Symbol.asyncIterator]().next()).rejects.toThrow('unreadable')
  })
})
