import type { ConnectionOptions } from 'node:tls'
import { systemClock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import { systemRandom } from '../random.ts'
import { KafkaBroker } from './kafka-broker.ts'
import type { KafkaNodeAddress } from './kafka-client.ts'
import { KafkaCluster } from './kafka-cluster.ts'
import type { MembershipWatcher } from './kafka-cluster.ts'
import { kafkaJsClient } from './kafkajs-client.ts'
import type { KafkaBrokerOptions } from './open-kafka-broker.ts'

/** @throws as `openKafkaBroker` */
export async function connectKafkaBroker(options: KafkaBrokerOptions, memberships?: MembershipWatcher): Promise<KafkaBroker> {
  const { brokers } = (options as Partial<KafkaBrokerOptions> | undefined) ?? {}
  if (!Array.isArray(brokers) || brokers.length === 0) throw new StreamError('INVALID_ARGUMENT', "brokers: name at least one broker, as in ['localhost:9092']")
  const bootstrap = brokers.map(parseAddress)
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
  const match = /^(?:\[([^\]]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(String(broker).trim())
  const port = Number(match?.[3])
  if (match !== null && port > 0 && port < 65_536) return { host: match[1] ?? match[2]!, port }
  throw new StreamError('INVALID_ARGUMENT', `brokers: ${JSON.stringify(broker)} is not host:port, such as localhost:9092`)
}
