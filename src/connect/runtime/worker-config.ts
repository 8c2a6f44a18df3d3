import { z } from 'zod'
import { configSpec, option } from '../config-spec.ts'
import type { ConfigOf } from '../config-spec.ts'

const positive = z.number().min(1, 'Value must be at least 1')

/**
 * A worker's config: upstream's names. Where upstream requires a key, there is a default that suits the embedded engine.
 */
export const workerConfig = configSpec({
  'bootstrap.servers': option.list({ doc: 'Brokers of the Kafka cluster; empty: the embedded engine. Settings of the connection stand beside it under Kafka\'s names: security.protocol, ssl.…, sasl.…', default: [], importance: 'high' }),
  'group.id': option.string({ doc: 'Names the worker or the cluster of workers; part of transactional ids.', default: 'connect', importance: 'high' }),
  'key.converter': option.class({ doc: 'Converter of record keys.', default: 'org.apache.kafka.connect.json.JsonConverter', importance: 'high' }),
  'value.converter': option.class({ doc: 'Converter of record values.', default: 'org.apache.kafka.connect.json.JsonConverter', importance: 'high' }),
  'header.converter': option.class({ doc: 'Converter of header values.', default: 'org.apache.kafka.connect.storage.SimpleHeaderConverter', importance: 'low' }),
  'offset.storage.topic': option.string({ doc: 'Topic in which source offsets are kept.', default: 'connect-offsets', importance: 'high' }),
  'offset.storage.partitions': option.int({ doc: 'Partitions of that topic when it is created.', default: 1, importance: 'low', check: positive }),
  'offset.storage.replication.factor': option.short({ doc: 'Replicas of that topic when it is created; absent: as the log decides.', default: null, importance: 'low' }),
  'config.storage.topic': option.string({ doc: 'Topic in which a cluster of workers keeps its configs.', default: 'connect-configs', importance: 'high' }),
  'config.storage.replication.factor': option.short({ doc: 'Replicas of that topic when it is created; absent or -1: as the log decides.', default: null, importance: 'low' }),
  'status.storage.topic': option.string({ doc: 'Topic in which a cluster of workers keeps what its connectors and tasks do.', default: 'connect-status', importance: 'high' }),
  'status.storage.partitions': option.int({ doc: 'Partitions of that topic when it is created.', default: 5, importance: 'low', check: positive }),
  'status.storage.replication.factor': option.short({ doc: 'Replicas of that topic when it is created; absent or -1: as the log decides.', default: null, importance: 'low' }),
  'session.timeout.ms': option.int({ doc: 'A worker of a cluster that was not heard of for so long is taken for dead.', default: 10_000, importance: 'high', check: positive }),
  'heartbeat.interval.ms': option.int({ doc: 'How often a worker of a cluster looks after its group.', default: 3_000, importance: 'high', check: positive }),
  'rebalance.timeout.ms': option.int({ doc: 'How long a rebalance of a cluster waits for workers.', default: 60_000, importance: 'high', check: positive }),
  'scheduled.rebalance.max.delay.ms': option.int({ doc: 'How long what a worker had waits for it to come back, before others get it.', default: 300_000, importance: 'low', check: z.number().min(0, 'Value must be at least 0') }),
  'inter.worker.key.ttl.ms': option.int({ doc: 'Age at which the key by which workers know each other is made anew.', default: 3_600_000, importance: 'low', check: positive }),
  'offset.flush.interval.ms': option.long({ doc: 'Time between two commits of offsets.', default: 1000, importance: 'low', check: positive }),
  'exactly.once.source.support': option.oneOf(['disabled', 'preparing', 'enabled'], {
    doc: 'enabled: source records and their offsets go to the log in one transaction.', default: 'enabled', importance: 'high',
  }),
  'topic.creation.enable': option.boolean({ doc: 'Whether source connectors may create the topics they write to.', default: true, importance: 'low' }),
  'task.shutdown.graceful.timeout.ms': option.long({ doc: 'Time that tasks have to stop by themselves.', default: 5000, importance: 'low', check: positive }),
  'plugin.path': option.list({ doc: 'Modules with further plugins: files, folders or npm packages that export `plugins`.', default: [], importance: 'low' }),
  'config.providers': option.list({ doc: 'Names of config providers: ${name:path:key} in a config is filled in where it is used. file, dir and env need no class.', default: [], importance: 'low' }),
  'listeners': option.list({
    doc: 'Where the REST API listens: http://host:port or https://host:port, separated by commas. Without a host it is this machine alone; 0.0.0.0 opens it to others.', default: ['http://127.0.0.1:8083'], importance: 'low',
  }),
  'admin.listeners': option.list({ doc: 'Where the loggers can be changed: absent: on the listeners above; empty: nowhere.', default: null, importance: 'low' }),
  'rest.advertised.host.name': option.string({ doc: 'The host by which other workers reach this one; absent: that of the first listener.', default: null, importance: 'low' }),
  'rest.advertised.port': option.int({ doc: 'The port by which other workers reach this one.', default: null, importance: 'low' }),
  'rest.advertised.listener': option.oneOf(['http', 'https', ''], { doc: 'The protocol by which other workers reach this one.', default: '', importance: 'low' }),
  'access.control.allow.origin': option.string({ doc: 'Origins whose pages may use the REST API (CORS); empty: none, *: all.', default: '', importance: 'low' }),
  'access.control.allow.methods': option.string({ doc: 'Methods that such pages may use; empty: GET, POST and HEAD.', default: '', importance: 'low' }),
  'response.http.headers.config': option.string({ doc: 'Rules for headers of every answer: "set|add|setDate|addDate Name:value", separated by commas.', default: '', importance: 'low' }),
  'rest.extension.classes': option.list({ doc: 'Extensions of the REST API: BasicAuthSecurityRestExtension of Kafka Connect asks for a user and a password.', default: [], importance: 'low' }),
  'rest.basic.auth.file': option.string({ doc: 'A file with a line user=password for each who may use the REST API; absent: everybody may who reaches it.', default: null, importance: 'low' }),
  'topic.tracking.enable': option.boolean({ doc: 'Whether the topics that connectors use are shown.', default: true, importance: 'low' }),
  'topic.tracking.allow.reset': option.boolean({ doc: 'Whether they can be reset.', default: true, importance: 'low' }),
  'connector.client.config.override.policy': option.oneOf(['All', 'Principal', 'None'], { doc: 'Which producer.override., consumer.override. and admin.override. settings connectors may have.', default: 'All', importance: 'low' }),
  'task.host': option.oneOf(['thread', 'in-process'], {
    doc: 'Where tasks run: each in a thread of its own, so that a crash or a leak stays there, or inside the worker.', default: 'thread', importance: 'medium',
  }),
  'task.max.memory.mb': option.int({ doc: 'Memory of a task\'s thread, in MiB; a task that needs more is ended and restarted.', default: 512, importance: 'low', check: z.number().min(16, 'Value must be at least 16') }),
  'task.stall.timeout.ms': option.long({
    doc: 'A task whose thread gives no sign of life for so long blocks its event loop: it is ended and restarted. 0: never.', default: 30_000, importance: 'low',
    check: z.number().min(0, 'Value must be at least 0'),
  }),
  'source.max.in.flight.bytes': option.long({ doc: 'Bytes a source task may have handed to the log without acknowledgement; it is not polled beyond.', default: 16 * 1024 * 1024, importance: 'low', check: positive }),
  'restart.policy': option.oneOf(['backoff', 'none'], {
    doc: 'backoff: a failed task is started again, after a wait that doubles each time. none: it stays failed, as in Kafka Connect.', default: 'backoff', importance: 'medium',
  }),
  'restart.backoff.ms': option.long({ doc: 'The wait before the first restart.', default: 1000, importance: 'low', check: positive }),
  'restart.backoff.max.ms': option.long({ doc: 'The longest wait between restarts.', default: 60_000, importance: 'low', check: positive }),
  'restart.max.attempts': option.int({ doc: 'Restarts in a row before a task stays failed; -1: no end.', default: 10, importance: 'low', check: z.number().min(-1, 'Value must be at least -1') }),
}, { prefixes: ['key.converter.', 'value.converter.', 'header.converter.', 'producer.', 'consumer.', 'admin.', 'config.providers.', 'offset.storage.', 'config.storage.', 'status.storage.', 'listeners.https.', 'security.', 'sasl.', 'ssl.'] })

export type WorkerConfig = ConfigOf<typeof workerConfig>

/** Laid under the worker's config when it does not choose converters itself: JSON without schemas. */
export const converterDefaults = { 'key.converter.schemas.enable': 'false', 'value.converter.schemas.enable': 'false' } as const
