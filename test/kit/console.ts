/** The `millrace` command as users run it: the built file, in a process of its own. */
import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const builtMain = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url))
const processLimitMs = 120_000

export interface ConsoleResult {
  /** null after a signal. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
  readonly outputBytes: Uint8Array
  readonly errors: string
}

export interface RunningConsole {
  readonly pid: number
  /** Resolves with all output so far once it holds the text; throws when the process ends before. */
  waitFor(text: string): Promise<string>
  write(text: string): void
  kill(signal: NodeJS.Signals): void
  readonly ended: Promise<ConsoleResult>
}

export interface ConsoleOptions {
  readonly directory: string
  readonly env?: Readonly<Record<string, string>>
  /** The command's file; default: what was built here. */
  readonly main?: string
  /** The command is killed after so long, default two minutes; more for one that waits for others on a busy machine. */
  readonly limitMs?: number
}

/** Runs a command to its end, with `input` as its standard input. */
export async function runConsole(args: readonly string[], options: ConsoleOptions, input: string | Uint8Array = ''): Promise<ConsoleResult> {
  const child = spawnConsole(args, options)
  const ended = resultOf(child)
  child.stdin.end(input)
  return ended
}

/** Starts a command that goes on until it is stopped, at the latest when the test is over; its standard input stays open. */
export function startConsole(args: readonly string[], options: ConsoleOptions): RunningConsole {
  const child = spawnConsole(args, options)
  const ended = resultOf(child)
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return {
    pid: child.pid!,
    waitFor: (text) => outputHolding(child, ended, text),
    write: (text) => void child.stdin.write(text),
    kill: (signal) => void child.kill(signal),
    ended,
  }
}

function spawnConsole(args: readonly string[], { directory, env, main = builtMain, limitMs = processLimitMs }: ConsoleOptions): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [main, ...args], { cwd: directory, env: { ...process.env, ...env }, timeout: limitMs, killSignal: 'SIGKILL' })
  child.stdin.on('error', () => {})
  return child
}

function resultOf(child: ChildProcessWithoutNullStreams): Promise<ConsoleResult> {
  const output: Buffer[] = []
  const errors: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, output: Buffer.concat(output).toString(), outputBytes: Buffer.concat(output), errors: Buffer.concat(errors).toString() }))
  })
}

function outputHolding(child: ChildProcessWithoutNullStreams, ended: Promise<ConsoleResult>, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = ''
    const look = (chunk: Buffer) => {
      seen += chunk.toString()
      if (seen.includes(text)) resolve(seen)
    }
    child.stdout.on('data', look)
    child.stderr.on('data', look)
    void ended.then((result) => reject(new Error(`the command ended with ${result.code ?? result.signal} before it wrote ${JSON.stringify(text)}: ${result.output}${result.errors}`)))
  })
}
