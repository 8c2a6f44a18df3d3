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
  'offset.flush.interval.ms': option.long({ doc: 'Time between two commits of offsets.', default: 1000, importance: 'low', check: positive }),
  'exactly.once.source.support': option.oneOf(['disabled', 'preparing', 'enabled'], {
    doc: 'enabled: source records and their offsets go to the log in one transaction.', default: 'enabled', importance: 'high',
  }),
  'topic.creation.enable': option.boolean({ doc: 'Whether source connectors may create the topics they write to.', default: true, importance: 'low' }),
  'task.shutdown.graceful.timeout.ms': option.long({ doc: 'Time that tasks have to stop by themselves.', default: 5000, importance: 'low', check: positive }),
  'plugin.path': option.list({ doc: 'Modules with further plugins: files, folders or npm packages that export `plugins`.', default: [], importance: 'low' }),
  'config.providers': option.list({ doc: 'Names of config providers: ${name:path:key} in a config is filled in where it is used. file, dir and env need no class.', default: [], importance: 'low' }),
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
}, { prefixes: ['key.converter.', 'value.converter.', 'header.converter.', 'producer.', 'consumer.', 'admin.', 'config.providers.', 'offset.storage.', 'security.', 'sasl.', 'ssl.'] })

export type WorkerConfig = ConfigOf<typeof workerConfig>

/** Laid under the worker's config when it does not choose converters itself: JSON without schemas. */
export const converterDefaults = { 'key.converter.schemas.enable': 'false', 'value.converter.schemas.enable': 'false' } as const
