import type { ConnectionOptions } from 'node:tls'
import type { Broker } from '../broker.ts'
import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import { systemRandom } from '../random.ts'
import type { Random } from '../random.ts'
import { KafkaBroker } from './kafka-broker.ts'
import type { KafkaClient, KafkaNodeAddress, SaslOptions } from './kafka-client.ts'
import { KafkaCluster } from './kafka-cluster.ts'
import type { MembershipWatcher } from './kafka-cluster.ts'
import { kafkaJsClient } from './kafkajs-client.ts'

export interface KafkaBrokerOptions {
  /** `host:port` of some brokers of the cluster; the others are found through them. */
  readonly brokers: readonly string[]
  /** For the brokers' logs, quotas and group descriptions. Default `millrace`. */
  readonly clientId?: string
  /** TLS: true for the system's certificates, or options of `tls.connect`. Default false. */
  readonly ssl?: boolean | ConnectionOptions
  /** With `ssl`: whether the name in the broker's certificate must be the one that was connected to. Default true. */
  readonly checkServerName?: boolean
  /** Default: no authentication. */
  readonly sasl?: SaslOptions
  /** Default 10 s. */
  readonly connectionTimeoutMs?: number
  /** A broker that has not answered for so long is given up, and the request repeated elsewhere. Default 30 s. */
  readonly requestTimeoutMs?: number
  /** A call that fails for passing reasons (a leader is being elected) is repeated for so long. Default 60 s. */
  readonly operationTimeoutMs?: number
  /** An append that was not acknowledged for so long fails with BACKEND_UNAVAILABLE; it may still arrive. Default 120 s. */
  readonly deliveryTimeoutMs?: number
  /** What takes the place of kafkajs; it has `ssl` and `sasl` already. */
  readonly client?: KafkaClient
  readonly clock?: Clock
  readonly random?: Random
}

/** Connects to an Apache Kafka cluster (2.5 or later). @throws BACKEND_UNAVAILABLE when no broker answers, NOT_AUTHORIZED, INVALID_ARGUMENT */
export async function openKafkaBroker(options: KafkaBrokerOptions): Promise<Broker> {
  return openWatchedKafkaBroker(options)
}

export async function openWatchedKafkaBroker(options: KafkaBrokerOptions, memberships?: MembershipWatcher): Promise<KafkaBroker> {
  const bootstrap = options.brokers.map(parseAddress)
  if (bootstrap.length === 0) throw new StreamError('INVALID_ARGUMENT', 'brokers: name at least one broker, such as localhost:9092')
  const { clientId = 'millrace', clock = systemClock, random = systemRandom, requestTimeoutMs = 30_000, operationTimeoutMs = 60_000, deliveryTimeoutMs = 120_000 } = options
  const client = options.client ?? kafkaJsClient({
    ssl: tlsOptions(options),
    sasl: options.sasl ?? null,
    connectionTimeoutMs: options.connectionTimeoutMs ?? 10_000,
    clock,
  })
  const cluster = new KafkaCluster({ client, bootstrap, clientId, clock, random, requestTimeoutMs, operationTimeoutMs, deliveryTimeoutMs, memberships })
  try {
    await cluster.refresh([])
  } catch (error) {
    cluster.close()
    throw error
  }
  return new KafkaBroker(cluster, options)
}

function tlsOptions({ ssl = false, checkServerName = true }: KafkaBrokerOptions): boolean | ConnectionOptions {
  if (ssl === false || checkServerName) return ssl
  return { ...(ssl === true ? {} : ssl), checkServerIdentity: () => undefined }
}

/** `host:port`, and `[address]:port` for IPv6. */
function parseAddress(broker: string): KafkaNodeAddress {
  const match = /^(?:\[([^\]]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(broker.trim())
  const port = Number(match?.[3])
  if (match !== null && port > 0 && port < 65_536) return { host: match[1] ?? match[2]!, port }
  throw new StreamError('INVALID_ARGUMENT', `brokers: ${JSON.stringify(broker)} is not host:port, such as localhost:9092`)
}
