/** The options that every connector has, whatever its class: upstream's ConnectorConfig, SourceConnectorConfig and SinkConnectorConfig, and ours. */
import { z } from 'zod'
import { configSpec, option } from '../config-spec.ts'
import type { ConfigOf } from '../config-spec.ts'

const atLeast = (min: number) => z.number().min(min, `Value must be at least ${min}`)

const common = {
  'name': option.string({ doc: 'Globally unique name of the connector.', importance: 'high', group: 'Common', check: z.string().min(1, 'String may not be empty') }),
  'connector.class': option.class({ doc: 'Name or alias of the class of this connector.', importance: 'high', group: 'Common' }),
  'tasks.max': option.int({ doc: 'Maximum number of tasks for this connector.', default: 1, importance: 'high', group: 'Common', check: atLeast(1) }),
  'tasks.max.enforce': option.boolean({ doc: 'Whether a connector that makes more tasks than tasks.max is refused.', default: true, importance: 'low', group: 'Common' }),
  'key.converter': option.class({ doc: 'Converter of record keys; absent: that of the worker.', default: null, importance: 'low', group: 'Common' }),
  'value.converter': option.class({ doc: 'Converter of record values; absent: that of the worker.', default: null, importance: 'low', group: 'Common' }),
  'header.converter': option.class({ doc: 'Converter of header values; absent: that of the worker.', default: null, importance: 'low', group: 'Common' }),
  'transforms': option.list({ doc: 'Aliases of the transforms that records go through, in order.', default: [], importance: 'low', group: 'Transforms' }),
  'predicates': option.list({ doc: 'Aliases of the predicates that transforms use.', default: [], importance: 'low', group: 'Predicates' }),
  'config.action.reload': option.oneOf(['none', 'restart'], {
    doc: 'Taken from configs of Kafka Connect and without effect: secrets are looked up each time a task starts.', default: 'restart', importance: 'low', group: 'Common',
  }),
  'errors.retry.timeout': option.long({
    doc: 'Taken from configs of Kafka Connect and without effect: a retriable error is always waited out.', default: 0, group: 'Error Handling', displayName: 'Retry Timeout for Errors',
  }),
  'errors.retry.delay.max.ms': option.long({
    doc: 'The longest wait between two tries.', default: 60_000, group: 'Error Handling', displayName: 'Maximum Delay Between Retries for Errors', check: atLeast(1),
  }),
  'errors.tolerance': option.oneOf(['none', 'all'], {
    doc: 'none: a record that fails makes the task fail. all: it is skipped, and reported if that is configured.', default: 'none', group: 'Error Handling',
    displayName: 'Error Tolerance',
  }),
  'errors.log.enable': option.boolean({ doc: 'Write each error and what failed to the log.', default: false, group: 'Error Handling', displayName: 'Log Errors' }),
  'errors.log.include.messages': option.boolean({
    doc: 'Taken from configs of Kafka Connect and without effect: records are never written to the log, since they may hold secrets.', default: false, group: 'Error Handling', displayName: 'Log Error Details',
  }),
  'task.host': option.oneOf(['thread', 'in-process'], {
    doc: 'Where tasks run: each in a thread of its own, so that a crash or a leak stays there, or inside the worker. Absent: as the worker says.',
    default: null, importance: 'low', group: 'Common',
  }),
  'restart.policy': option.oneOf(['backoff', 'none'], {
    doc: 'backoff: a failed task is started again, after a wait that doubles each time. none: it stays failed, as in Kafka Connect. Absent: as the worker says.',
    default: null, importance: 'low', group: 'Error Handling',
  }),
} as const

const prefixes = ['key.converter.', 'value.converter.', 'header.converter.', 'transforms.', 'predicates.', 'producer.override.', 'consumer.override.', 'admin.override.']

export const sourceConfig = configSpec({
  ...common,
  'topic.creation.groups': option.list({ doc: 'Groups of settings for topics that are created, in the order they are tried.', default: [], importance: 'low', group: 'Topic Creation' }),
  'exactly.once.support': option.oneOf(['requested', 'required'], {
    doc: 'required: refuse to start unless records and offsets go to the log in one transaction.', default: 'requested', group: 'Exactly Once Support',
  }),
  'transaction.boundary': option.oneOf(['poll', 'interval', 'connector'], {
    doc: 'When transactions end: after each batch, by time, or where the connector says.', default: 'poll', group: 'Exactly Once Support',
  }),
  'transaction.boundary.interval.ms': option.long({
    doc: 'With transaction.boundary=interval: the time between two ends. Absent: the worker\'s offset.flush.interval.ms.', default: null, importance: 'low',
    group: 'Exactly Once Support', check: atLeast(0),
  }),
  'offsets.storage.topic': option.string({ doc: 'Topic of this connector\'s offsets; absent: that of the worker.', default: null, importance: 'low', group: 'offsets.topic' }),
}, { prefixes: [...prefixes, 'topic.creation.'] })

export const sinkConfig = configSpec({
  ...common,
  'topics': option.list({ doc: 'Topics to read, separated by commas.', default: [], importance: 'high', group: 'Common' }),
  'topics.regex': option.string({ doc: 'Regular expression of the topics to read; the whole name must match.', default: '', importance: 'high', group: 'Common' }),
  'errors.deadletterqueue.topic.name': option.string({
    doc: 'Topic for records that could not be handled; empty: they are not kept.', default: '', group: 'Error Handling', displayName: 'Dead Letter Queue Topic Name',
  }),
  'errors.deadletterqueue.topic.replication.factor': option.short({
    doc: 'Replicas of the dead-letter topic when it is created.', default: 3, group: 'Error Handling', displayName: 'Dead Letter Queue Topic Replication Factor',
  }),
  'errors.deadletterqueue.context.headers.enable': option.boolean({
    doc: 'Add headers that say where the record came from and what went wrong; their names begin with __connect.errors.', default: false,
    group: 'Error Handling', displayName: 'Enable Error Context Headers',
  }),
  'errors.sink.bisect': option.boolean({
    doc: 'When the connector refuses a batch, hand it over again in halves until the records to blame are found, and treat only these as failed. Records before them may be handed over more than once.',
    default: false, importance: 'low', group: 'Error Handling',
  }),
}, {
  prefixes,
  rules: (config) => {
    const named = config.topics.length > 0
    const matched = config['topics.regex'] !== ''
    if (named === matched) {
      const complaint = named
        ? 'topics and topics.regex are mutually exclusive options, but both are set.'
        : 'Must configure one of topics or topics.regex'
      return { topics: complaint }
    }
    const deadLetters = config['errors.deadletterqueue.topic.name']
    if (!config.topics.includes(deadLetters)) return regexComplaints(config['topics.regex'], deadLetters)
    return { topics: `The DLQ topic '${deadLetters}' may not be included in the list of topics ("topics=${config.topics.join(',')}") consumed by the connector` }
  },
})

function regexComplaints(pattern: string, deadLetters: string): Readonly<Record<string, string>> {
  if (pattern === '') return {}
  const regex = wholeNameRegex(pattern)
  if (regex === null) return { 'topics.regex': `Invalid value ${pattern} for configuration topics.regex: Must be a valid regex` }
  if (deadLetters === '' || !regex.test(deadLetters)) return {}
  return { 'topics.regex': `The DLQ topic '${deadLetters}' may not be included in the regex matching the topics ("topics.regex=${pattern}") consumed by the connector` }
}

/** null when it is no regular expression. */
export function wholeNameRegex(pattern: string): RegExp | null {
  try {
    return new RegExp(`^(?:${pattern})$`, 'u')
  } catch {
    return null
  }
}

export type SourceConfig = ConfigOf<typeof sourceConfig>
export type SinkConfig = ConfigOf<typeof sinkConfig>

/** A connector's name and config, as in a file or a request. */
export interface NamedConfig {
  readonly name: string
  readonly config: Readonly<Record<string, string | null>>
}
