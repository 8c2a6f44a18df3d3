/** The options that every connector has, whatever its class: upstream's ConnectorConfig, SourceConnectorConfig and SinkConnectorConfig, and ours. */
import { z } from 'zod'
import { configSpec, option } from '../config-spec.ts'
import type { ConfigOf } from '../config-spec.ts'

const atLeast = (min: number) => z.number().min(min, `Value must be at least ${min}`)

/** Upstream gives tools no list of words for its own options. */
const none = () => []

const validName = z.string().min(1, 'String may not be empty').superRefine((name, context) => {
  const codes = (name.match(/\p{Cc}/gu) ?? []).map((each) => each.codePointAt(0)!)
  if (codes.length > 0) context.addIssue({ code: 'custom', message: `String may not contain control sequences but had the following ASCII chars: ${codes.join(', ')}` })
}).refine((name) => !/\p{Cs}/u.test(name), 'String must be well-formed Unicode')

const distinctAliases = z.array(z.string()).refine((aliases) => new Set(aliases).size === aliases.length, 'Duplicate alias provided.')

const common = {
  'name': option.string({ doc: 'Globally unique name of the connector.', importance: 'high', group: 'Common', order: 1, width: 'medium', displayName: 'Connector name', check: validName }),
  'connector.class': option.string({
    doc: 'Class of this connector: its whole name, or its last part with or without "Connector" at the end.', importance: 'high', group: 'Common', order: 2, width: 'long', displayName: 'Connector class',
  }),
  'connector.plugin.version': option.string({ doc: 'Version of the connector; absent: the newest.', default: null, group: 'Common', order: 3, width: 'medium', displayName: 'Connector version' }),
  'tasks.max': option.int({ doc: 'Maximum number of tasks for this connector.', default: 1, importance: 'high', group: 'Common', order: 4, width: 'short', displayName: 'Tasks max', check: atLeast(1) }),
  'tasks.max.enforce': option.boolean({
    doc: 'Whether a connector that makes more tasks than tasks.max is refused.', default: true, importance: 'low', group: 'Common', order: 5, width: 'short', displayName: 'Enforce tasks max',
  }),
  'key.converter': option.class({ doc: 'Converter of record keys; absent: that of the worker.', default: null, importance: 'low', group: 'Common', order: 6, width: 'short', displayName: 'Key converter class' }),
  'key.converter.plugin.version': option.string({ doc: 'Version of the key converter.', default: null, importance: 'low', group: 'Common', order: 7, width: 'short', displayName: 'Key converter version' }),
  'value.converter': option.class({ doc: 'Converter of record values; absent: that of the worker.', default: null, importance: 'low', group: 'Common', order: 8, width: 'short', displayName: 'Value converter class' }),
  'value.converter.plugin.version': option.string({ doc: 'Version of the value converter.', default: null, importance: 'low', group: 'Common', order: 9, width: 'short', displayName: 'Value converter version' }),
  'header.converter': option.class({ doc: 'Converter of header values; absent: that of the worker.', default: null, importance: 'low', group: 'Common', order: 10, width: 'short', displayName: 'Header converter class' }),
  'header.converter.plugin.version': option.string({ doc: 'Version of the header converter.', default: null, importance: 'low', group: 'Common', order: 11, width: 'short', displayName: 'Header converter version' }),
  'transforms': option.list({
    doc: 'Aliases of the transforms that records go through, in order.', default: [], importance: 'low', group: 'Transforms', order: 12, width: 'long', displayName: 'Transforms', check: distinctAliases,
  }),
  'predicates': option.list({
    doc: 'Aliases of the predicates that transforms use.', default: [], importance: 'low', group: 'Predicates', order: 13, width: 'long', displayName: 'Predicates', check: distinctAliases,
  }),
  'config.action.reload': option.oneOf(['none', 'restart'], {
    doc: 'What to do when a secret of a config provider has changed, which is looked for where config.providers.<name>.param.ttl.ms says how often: start the connector and its tasks anew, or nothing. A secret is also looked up each time a task starts.', default: 'restart', importance: 'low', group: 'Common',
    order: 14, width: 'medium', displayName: 'Reload Action', exactCase: true, recommended: none,
  }),
  'errors.retry.timeout': option.long({
    doc: 'How long a retriable failure of a transform or a converter is waited out in place, in milliseconds; -1: for ever, 0: not, the task is started again. Those of poll and put are always waited out.', default: 0, group: 'Error Handling', order: 1, width: 'medium',
    displayName: 'Retry Timeout for Errors',
  }),
  'errors.retry.delay.max.ms': option.long({
    doc: 'The longest wait between two tries.', default: 60_000, group: 'Error Handling', order: 2, width: 'medium', displayName: 'Maximum Delay Between Retries for Errors',
  }),
  'errors.tolerance': option.oneOf(['none', 'all'], {
    doc: 'none: a record that fails makes the task fail. all: it is skipped, and reported if that is configured.', default: 'none', group: 'Error Handling', order: 3, width: 'short',
    displayName: 'Error Tolerance', exactCase: true, recommended: none,
  }),
  'errors.log.enable': option.boolean({ doc: 'Write each error and what failed to the log.', default: false, group: 'Error Handling', order: 4, width: 'short', displayName: 'Log Errors' }),
  'errors.log.include.messages': option.boolean({
    doc: 'With errors.log.enable: write the record that failed to the log, too: where it came from and, of a source, its key and value, which may hold secrets.', default: false, group: 'Error Handling', order: 5,
    width: 'short', displayName: 'Log Error Details',
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

/** Upstream has them for sinks alone. */
const deadLetterOptions = {
  'errors.deadletterqueue.topic.name': option.string({
    doc: 'Topic for records that could not be handled; empty: they are not kept.', default: '', group: 'Error Handling', order: 6, width: 'medium', displayName: 'Dead Letter Queue Topic Name',
  }),
  'errors.deadletterqueue.topic.replication.factor': option.short({
    doc: 'Replicas of the dead-letter topic when it is created.', default: 3, group: 'Error Handling', order: 7, width: 'medium', displayName: 'Dead Letter Queue Topic Replication Factor',
  }),
  'errors.deadletterqueue.context.headers.enable': option.boolean({
    doc: 'Add headers that say where the record came from and what went wrong; their names begin with __connect.errors.', default: false,
    group: 'Error Handling', order: 8, width: 'medium', displayName: 'Enable Error Context Headers',
  }),
} as const

const prefixes = ['key.converter.', 'value.converter.', 'header.converter.', 'transforms.', 'predicates.', 'producer.override.', 'consumer.override.', 'admin.override.']

/** What all have. */
export const commonConfig = configSpec(common, { prefixes })

export const sourceConfig = configSpec({
  ...common,
  'topic.creation.groups': option.list({ doc: 'Groups of settings for topics that are created, in the order they are tried.', default: [], importance: 'low', group: 'Topic Creation', order: 1, width: 'long', displayName: 'Topic Creation Groups', check: distinctAliases }),
  'exactly.once.support': option.oneOf(['requested', 'required'], {
    doc: 'required: refuse to start unless records and offsets go to the log in one transaction.', default: 'requested', group: 'Exactly Once Support', order: 2, width: 'short',
    displayName: 'Exactly once support', listedAs: 'REQUIRED, REQUESTED', recommended: none,
  }),
  'transaction.boundary': option.oneOf(['poll', 'interval', 'connector'], {
    doc: 'When transactions end: after each batch, by time, or where the connector says.', default: 'poll', group: 'Exactly Once Support', order: 3, width: 'short',
    displayName: 'Transaction Boundary', listedAs: 'INTERVAL, POLL, CONNECTOR', recommended: none,
  }),
  'transaction.boundary.interval.ms': option.long({
    doc: 'With transaction.boundary=interval: the time between two ends. Absent: the worker\'s offset.flush.interval.ms.', default: null, importance: 'low',
    group: 'Exactly Once Support', order: 4, width: 'short', displayName: 'Transaction boundary interval', check: atLeast(0),
  }),
  'offsets.storage.topic': option.string({ doc: 'Topic of this connector\'s offsets; absent: that of the worker.', default: null, importance: 'low', group: 'offsets.topic', order: 1, width: 'long', displayName: 'Offsets topic', check: z.string().min(1, 'String must be non-empty') }),
  ...deadLetterOptions,
}, { prefixes: [...prefixes, 'topic.creation.'] })

const topicRegex = z.string().superRefine((pattern, context) => {
  const complaint = regexComplaint(pattern)
  if (complaint !== null) context.addIssue({ code: 'custom', message: `Invalid regex: ${complaint}` })
})

/** As upstream's ValidList. */
const distinctTopics = (topics: readonly string[] | null) => {
  const complaint = topics === null ? 'must not be null' : new Set(topics).size < topics.length ? 'must not be duplicated' : topics.includes('') ? 'must not be empty' : null
  return complaint === null ? null : `Configuration 'topics' values ${complaint}.`
}

const isBlank = (text: string | null | undefined) => (text ?? '').trim() === ''

export const sinkConfig = configSpec({
  ...common,
  'topics': option.list({ doc: 'Topics to read, separated by commas.', default: [], importance: 'high', group: 'Common', order: 4, width: 'long', displayName: 'Topics', rule: distinctTopics }),
  'topics.regex': option.string({
    doc: 'Regular expression of the topics to read; the whole name must match.', default: '', importance: 'high', group: 'Common', order: 4, width: 'long', displayName: 'Topics regex', check: topicRegex,
  }),
  ...deadLetterOptions,
  'errors.sink.bisect': option.boolean({
    doc: 'When the connector refuses a batch, hand it over again in halves until the records to blame are found, and treat only these as failed. Records before them may be handed over more than once. A failure that the connector says is no record\'s fault, such as a missing permission, still fails the task.',
    default: false, importance: 'low', group: 'Error Handling',
  }),
}, {
  prefixes,
  writtenRules: (raw) => {
    const [hasTopics, hasRegex, deadLetters] = [!isBlank(raw['topics']), !isBlank(raw['topics.regex']), (raw['errors.deadletterqueue.topic.name'] ?? '').trim()]
    const choice = hasTopics && hasRegex ? ['topics and topics.regex are mutually exclusive options, but both are set.'] : hasTopics || hasRegex ? [] : ['Must configure one of topics or topics.regex']
    return {
      'topics': [...choice, ...(hasTopics ? readBackComplaints((raw['topics'] ?? '').trim().split(/\s*,\s*/), deadLetters) : [])],
      'topics.regex': [...choice, ...(hasRegex ? matchedBackComplaints(raw['topics.regex']!.trim(), deadLetters) : [])],
    }
  },
})

/** A connector must not read what it refused itself, over and over. */
function readBackComplaints(topics: readonly string[], deadLetters: string): readonly string[] {
  if (deadLetters === '' || !topics.includes(deadLetters)) return []
  return [`The DLQ topic '${deadLetters}' may not be included in the list of topics ('topics=[${topics.join(', ')}]') consumed by the connector`]
}

function matchedBackComplaints(pattern: string, deadLetters: string): readonly string[] {
  if (deadLetters === '' || wholeNameRegex(pattern)?.test(deadLetters) !== true) return []
  return [`The DLQ topic '${deadLetters}' may not be matched by the regex for the topics ('topics.regex=${pattern}') consumed by the connector`]
}

/** null when it is no regular expression. */
export function wholeNameRegex(pattern: string): RegExp | null {
  return regexComplaint(pattern) === null ? new RegExp(`^(?:${pattern})$`, 'u') : null
}

function regexComplaint(pattern: string): string | null {
  try {
    new RegExp(`^(?:${pattern})$`, 'u')
    return null
  } catch (error) {
    return (error as Error).message
  }
}

export type SourceConfig = ConfigOf<typeof sourceConfig>
export type SinkConfig = ConfigOf<typeof sinkConfig>

/** A connector's name and config, as in a file or a request. */
export interface NamedConfig {
  readonly name: string
  readonly config: Readonly<Record<string, string | null>>
  /** What it is to do first; absent: run. */
  readonly initialState?: 'RUNNING' | 'PAUSED' | 'STOPPED'
}
