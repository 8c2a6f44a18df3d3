import { CommanderError } from 'commander'
import { readPackageVersion } from './files.ts'
import { consoleProgram } from './program.ts'
import { describeFailure } from './report-error.ts'
import type { Terminal } from './terminal.ts'

/** Runs one command line, without the name of the program; the exit code. A failure is told on the terminal. */
export async function runConsole(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const program = await consoleProgram(readPackageVersion(), terminal, args)
    await program.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    // Told already, where it was found.
    if (error instanceof CommanderError) return error.exitCode
    terminal.tell(describeFailure(error))
    return 1
  }
}
