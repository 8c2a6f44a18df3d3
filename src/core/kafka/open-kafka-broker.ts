import type { ConnectionOptions } from 'node:tls'
import type { Broker } from '../broker.ts'
import type { Clock } from '../clock.ts'
import type { Random } from '../random.ts'
import type { KafkaBroker } from './kafka-broker.ts'
import type { KafkaClient, SaslOptions } from './kafka-client.ts'
import type { MembershipWatcher } from './kafka-cluster.ts'

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

/** Loads what a cluster needs only here: whoever uses the embedded log starts without it. */
export async function openWatchedKafkaBroker(options: KafkaBrokerOptions, memberships?: MembershipWatcher): Promise<KafkaBroker> {
  const { connectKafkaBroker } = await import('./connect-kafka-broker.ts')
  return connectKafkaBroker(options, memberships)
}
