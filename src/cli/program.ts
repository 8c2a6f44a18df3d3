import { Command } from 'commander'
import { addCheckCommand } from './check-command.ts'
import { addClusterCommand } from './cluster-command.ts'
import { addConfigsCommand } from './configs-command.ts'
import { addConnectCommand } from './connect-command.ts'
import { addConsumeCommand } from './consume-command.ts'
import { addDescribeCommand } from './describe-command.ts'
import { addDlqCommand } from './dlq-command.ts'
import { addDoctorCommand } from './doctor-command.ts'
import { addGroupsCommand } from './groups-command.ts'
import { addLogCommands } from './log-commands.ts'
import { addProduceCommand } from './produce-command.ts'
import { addResetCommand } from './reset-command.ts'
import { addRepairCommand } from './repair-command.ts'
import { addRunCommand } from './run-command.ts'
import type { Terminal } from './terminal.ts'
import { addTopicsCommand } from './topics-command.ts'
import { addTopologyCommand } from './topology-command.ts'
import { addTypesCommand } from './types-command.ts'

/** Who writes `millrace topics list` learns how it is written. */
function withHint(text: string): string {
  const command = /^error: too many arguments for '(topics|groups|configs|produce|consume|offsets|log-dirs|delete-records)'/.exec(text)?.[1]
  return command === undefined ? text : `error: ${command} takes options, as Kafka's tools do, such as millrace topics --create --topic NAME; millrace ${command} --help lists them\n`
}

/** The whole console. What is wrong with the arguments is told on the terminal, and thrown as a `CommanderError`. */
export function consoleProgram(version: string, terminal: Terminal): Command {
  const program = new Command('millrace')
    .description('Stream processing for TypeScript: topics, topologies and connectors, on an embedded log or on Apache Kafka.')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.write(text),
      writeErr: (text) => terminal.tell(text.trimEnd()),
      outputError: (text, write) => write(withHint(text)),
    })
  addTopicsCommand(program, terminal)
  addProduceCommand(program, terminal)
  addConsumeCommand(program, terminal)
  addGroupsCommand(program, terminal)
  addConfigsCommand(program, terminal)
  addLogCommands(program, terminal)
  addClusterCommand(program, terminal)
  addRunCommand(program, terminal)
  addDescribeCommand(program, terminal)
  addTopologyCommand(program, terminal)
  addResetCommand(program, terminal)
  addConnectCommand(program, terminal)
  addDlqCommand(program, terminal)
  addCheckCommand(program, terminal)
  addRepairCommand(program, terminal)
  addDoctorCommand(program, terminal)
  addTypesCommand(program, terminal)
  return program
}
