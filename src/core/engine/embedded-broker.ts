import type { Broker } from '../broker.ts'
import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import { nodeFileSystem } from '../log/file-system.ts'
import type { FileSystem } from '../log/file-system.ts'
import { systemRandom } from '../random.ts'
import type { Random } from '../random.ts'
import { BrokerClient } from './broker-client.ts'
import type { LocalEngine } from './local-engine.ts'
import type { LogMetric } from './log-metrics.ts'

export interface EmbeddedBrokerOptions {
  /** Where topics live. Made when it does not exist; held by one process at a time. */
  readonly directory: string
  /** Partitions of the topics that keep offsets and transactions, when these are created. One keeps all commits in one file, so that they share its sync. Default 1. */
  readonly internalTopicPartitions?: number
  /** How long the offsets of a group without members are kept. Default 7 days. */
  readonly offsetsRetentionMs?: number
  /** Makes a topic that asks for more than one replica (or `min.insync.replicas`) with one, for programs that were written for a cluster. Default false: it is refused. */
  readonly clampReplicas?: boolean
  readonly clock?: Clock
  readonly random?: Random
  readonly fileSystem?: FileSystem
}

/** The embedded engine can also be asked what it counts. */
export interface EmbeddedBroker extends Broker {
  /** A snapshot: traffic by topic, size and offsets by partition, lag by group, and how long the disk took to sync. */
  metrics(): readonly LogMetric[]
}

class LocalBroker extends BrokerClient implements EmbeddedBroker {
  readonly #engine: LocalEngine

  constructor(engine: LocalEngine, context: { readonly clock: Clock; readonly random: Random }) {
    super(engine, { ...context, closeEngine: () => engine.close() })
    this.#engine = engine
  }

  metrics(): readonly LogMetric[] {
    return this.#engine.metrics()
  }
}

const defaultOffsetsRetentionMs = 7 * 86_400_000

/**
 * Opens the embedded engine on a directory: topics, groups and transactions with Kafka's semantics, in this process.
 * What an earlier process left unfinished is finished first: a torn tail is cut, a decided transaction is completed, an
 * open one is aborted.
 *
 * @throws DIRECTORY_LOCKED (names the process), UNSUPPORTED_FORMAT (a newer version wrote it), STORAGE_CORRUPT, STORAGE_FULL, STORAGE_ERROR
 */
export async function openEmbeddedBroker(options: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
  const { directory } = (options as Partial<EmbeddedBrokerOptions> | undefined) ?? {}
  if (typeof directory !== 'string' || directory === '') throw new StreamError('INVALID_ARGUMENT', 'directory: give the path of the data directory')
  const { clock = systemClock, random = systemRandom, fileSystem = nodeFileSystem, internalTopicPartitions = 1, offsetsRetentionMs = defaultOffsetsRetentionMs, clampReplicas = false } = options
  // Threads that reach the log through a port, and clients of a cluster, start without it.
  const { LocalEngine } = await import('./local-engine.ts')
  const engine = await LocalEngine.open({ directory, clock, random, fileSystem, internalTopicPartitions, offsetsRetentionMs, clampReplicas })
  return new LocalBroker(engine, { clock, random })
}
