import { Command } from 'commander'
import type { Terminal } from './terminal.ts'

type AddCommand = (program: Command, terminal: Terminal) => void

const logCommands = async () => (await import('./log-commands.ts')).addLogCommands

/** In the order of the help. Each is loaded when it is asked for: a console that lists topics starts without the code of the others. */
const commands = {
  topics: async () => (await import('./topics-command.ts')).addTopicsCommand,
  produce: async () => (await import('./produce-command.ts')).addProduceCommand,
  consume: async () => (await import('./consume-command.ts')).addConsumeCommand,
  groups: async () => (await import('./groups-command.ts')).addGroupsCommand,
  configs: async () => (await import('./configs-command.ts')).addConfigsCommand,
  offsets: logCommands,
  'log-dirs': logCommands,
  'delete-records': logCommands,
  cluster: async () => (await import('./cluster-command.ts')).addClusterCommand,
  run: async () => (await import('./run-command.ts')).addRunCommand,
  describe: async () => (await import('./describe-command.ts')).addDescribeCommand,
  topology: async () => (await import('./topology-command.ts')).addTopologyCommand,
  reset: async () => (await import('./reset-command.ts')).addResetCommand,
  connect: async () => (await import('./connect-command.ts')).addConnectCommand,
  dlq: async () => (await import('./dlq-command.ts')).addDlqCommand,
  check: async () => (await import('./check-command.ts')).addCheckCommand,
  repair: async () => (await import('./repair-command.ts')).addRepairCommand,
  doctor: async () => (await import('./doctor-command.ts')).addDoctorCommand,
  types: async () => (await import('./types-command.ts')).addTypesCommand,
} satisfies Record<string, () => Promise<AddCommand>>

/** Who writes `millrace topics list` learns how it is written. */
function withHint(text: string): string {
  const command = /^error: too many arguments for '(topics|groups|configs|produce|consume|offsets|log-dirs|delete-records)'/.exec(text)?.[1]
  return command === undefined ? text : `error: ${command} takes options, as Kafka's tools do, such as millrace topics --create --topic NAME; millrace ${command} --help lists them\n`
}

/**
 * The console for these arguments: the one command that they begin with, or all of them, for help and for what is misspelt. What is
 * wrong with the arguments is told on the terminal, and thrown as a `CommanderError`.
 */
export async function consoleProgram(version: string, terminal: Terminal, [first]: readonly string[]): Promise<Command> {
  const program = new Command('millrace')
    .description('Stream processing for TypeScript: topics, topologies and connectors, on an embedded log or on Apache Kafka.')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.write(text),
      writeErr: (text) => terminal.tell(text.trimEnd()),
      outputError: (text, write) => write(withHint(text)),
    })
  const wanted = isCommand(first) ? [commands[first]] : [...new Set(Object.values(commands))]
  for (const add of await Promise.all(wanted.map((load) => load()))) add(program, terminal)
  return program
}

function isCommand(name: string | undefined): name is keyof typeof commands {
  return name !== undefined && Object.hasOwn(commands, name)
}
