import type { Command } from 'commander'
import { StreamError } from '../core/index.ts'
import type { Broker } from '../core/index.ts'
import { chosenAction, needed } from './action.ts'
import { addBackendOptions, readProperties, withBroker } from './backend.ts'
import type { BackendOptions } from './backend.ts'
import type { Terminal } from './terminal.ts'

interface ConfigsOptions extends BackendOptions, Partial<Record<Action, boolean>> {
  readonly topic?: string
  readonly entityType?: string
  readonly entityName?: string
  readonly addConfig?: string
  readonly addConfigFile?: string
  readonly deleteConfig?: string
  readonly all?: boolean
}

const actions = ['describe', 'alter'] as const
type Action = (typeof actions)[number]

/** As `kafka-configs`, for topics. */
export function addConfigsCommand(program: Command, terminal: Terminal): void {
  addBackendOptions(program.command('configs').description('describe and alter the configs of a topic'))
    .option('--describe', 'print the configs that the topic sets, or with --all every one with its value')
    .option('--alter', 'set and remove configs')
    .option('--topic <name>', 'the topic')
    .option('--entity-type <type>', 'as Kafka has it: topics')
    .option('--entity-name <name>', 'as --topic')
    .option('--add-config <name=value,…>', 'configs to set; a value with commas stands in brackets: cleanup.policy=[compact,delete]')
    .option('--add-config-file <file>', 'a .properties file with configs to set')
    .option('--delete-config <name,…>', 'configs to take back to their defaults')
    .option('--all', 'with --describe: also what the topic does not set')
    .action((options: ConfigsOptions) => {
      const action = chosenAction(options, actions)
      return withBroker(options, (broker) => run[action](broker, options, terminal))
    })
}

const run: Readonly<Record<Action, (broker: Broker, options: ConfigsOptions, terminal: Terminal) => Promise<void>>> = {
  async describe(broker, options, terminal) {
    const topic = topicOf(options, 'describe')
    const [description] = await broker.topics.describe([topic])
    const shown = description!.configs.filter(({ source }) => options.all === true || source === 'topic')
    const head = options.all === true ? `All configs for topic ${topic} are:` : `Dynamic configs for topic ${topic} are:`
    await terminal.write([head, ...shown.map(({ name, value, source }) => `  ${name}=${value}${source === 'topic' ? '' : ' (default)'}`)].map((line) => `${line}\n`).join(''))
  },

  async alter(broker, options, terminal) {
    const topic = topicOf(options, 'alter')
    const removed = (options.deleteConfig ?? '').split(',').filter((name) => name !== '')
    const fromFile = options.addConfigFile === undefined ? {} : await readProperties(options.addConfigFile)
    const configs = { ...fromFile, ...pairsOf(options.addConfig ?? ''), ...Object.fromEntries(removed.map((name) => [name, null])) }
    needed(Object.keys(configs).length > 0 || undefined, '--add-config, --add-config-file or --delete-config', 'alter')
    await broker.topics.alter(topic, { configs })
    await terminal.write(`Completed updating config for topic ${topic}.\n`)
  },
}

function topicOf({ topic, entityType, entityName }: ConfigsOptions, action: Action): string {
  if (entityType !== undefined && entityType !== 'topics') throw new StreamError('INVALID_ARGUMENT', `--entity-type ${entityType}: only topics have configs here`)
  return needed(topic ?? entityName, '--topic', action)
}

/** `a=1,b=[x,y]`: commas inside of brackets belong to the value. */
function pairsOf(text: string): Readonly<Record<string, string>> {
  const parts = text.match(/[^,=]+=(?:\[[^\]]*\]|[^,]*)|[^,]+/g) ?? []
  return Object.fromEntries(parts.map((part) => {
    const separator = part.indexOf('=')
    if (separator <= 0) throw new StreamError('INVALID_ARGUMENT', `--add-config: ${JSON.stringify(part)} does not have the form name=value`)
    return [part.slice(0, separator).trim(), part.slice(separator + 1).replace(/^\[(.*)\]$/, '$1')]
  }))
}
