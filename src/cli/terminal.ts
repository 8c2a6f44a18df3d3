/** What a command has of the outside world: where it reads and writes, and when it must stop. */
export interface Terminal {
  /** The standard input, up to its end or to `stop`. To be read once. */
  input(): AsyncIterable<Uint8Array>
  /** True when a person types the input. */
  isInteractive(): boolean
  /** Fires with the first SIGINT or SIGTERM, and when whoever reads the output went away; the reason says which, as text. */
  readonly stop: AbortSignal
  /** Results, to the standard output; resolves once it may be followed by more, so that a slow reader slows the command. */
  write(data: string | Uint8Array): Promise<void>
  /** What is no result (progress, warnings), as a line on the standard error. */
  tell(line: string): void
}

export interface TerminalProcess {
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  on(event: 'SIGINT' | 'SIGTERM', listener: (signal: NodeJS.Signals) => void): unknown
  exit(code: number): never
}

const signalNumbers: Readonly<Partial<Record<NodeJS.Signals, number>>> = { SIGINT: 2, SIGTERM: 15 }

/** The real terminal. A second signal ends the process at once, whatever it is waiting for. */
export function processTerminal(process: TerminalProcess): Terminal {
  const controller = new AbortController()
  const onSignal = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(128 + (signalNumbers[signal] ?? 0))
    controller.abort(signal)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  process.stdout.on('error', (error) => controller.abort(`nobody reads the output (${error.message})`))
  return {
    input: () => readUntil(controller.signal, process.stdin),
    isInteractive: () => process.stdin.isTTY === true,
    stop: controller.signal,
    write: (data) => writeTo(process.stdout, data),
    tell: (line) => void process.stderr.write(`${line}\n`),
  }
}

/** Resolves when the command must stop, and has said why. */
export function stopped(terminal: Terminal): Promise<void> {
  const { stop } = terminal
  return new Promise((resolve) => {
    const onStop = () => {
      terminal.tell(`stopping: ${String(stop.reason)}`)
      resolve()
    }
    if (stop.aborted) onStop()
    else stop.addEventListener('abort', onStop, { once: true })
  })
}

/** Closes the stream with the signal, so that neither the loop nor the process goes on waiting for it. */
async function* readUntil(stop: AbortSignal, stream: NodeJS.ReadStream): AsyncGenerator<Uint8Array> {
  const close = () => stream.destroy()
  stop.addEventListener('abort', close, { once: true })
  try {
    for await (const chunk of stream) yield chunk as Uint8Array
  } catch (error) {
    if (!stop.aborted) throw error
  } finally {
    stop.removeEventListener('abort', close)
  }
}

/** A write that fails (the reader of a pipe closed it) is reported by the stream's `error` event, and ends the command. */
function writeTo(stream: NodeJS.WriteStream, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    stream.write(data, () => resolve())
  })
}
