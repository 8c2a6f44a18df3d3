import { StringDecoder } from 'node:string_decoder'
import { runConsole } from '../../src/cli/run-console.ts'
import type { Terminal } from '../../src/cli/terminal.ts'

/** A terminal that keeps what is written to it. */
export class MemoryTerminal implements Terminal {
  output = ''
  errors = ''
  readonly #input: string | Uint8Array
  readonly #controller = new AbortController()
  readonly #decoder = new StringDecoder()

  constructor(input: string | Uint8Array = '') {
    this.#input = input
  }

  get stop(): AbortSignal {
    return this.#controller.signal
  }

  async *input(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(this.#input)
  }

  isInteractive(): boolean {
    return false
  }

  async write(data: string | Uint8Array): Promise<void> {
    this.output += typeof data === 'string' ? data : this.#decoder.write(Buffer.from(data))
  }

  tell(line: string): void {
    this.errors += `${line}\n`
  }
}

/** Runs a command that must succeed, and returns what it printed. In this process: where something else is tested, that saves starting one. */
export async function succeedHere(args: readonly string[], input: string | Uint8Array = ''): Promise<string> {
  const terminal = new MemoryTerminal(input)
  const code = await runConsole(args, terminal)
  if (code !== 0) throw new Error(`millrace ${args.join(' ')} ended with ${code}: ${terminal.errors}`)
  return terminal.output
}
