import type { MessagePort } from 'node:worker_threads'
import type { Broker } from '../broker.ts'
import { isClusterBroker, openSharedKafkaBroker, shareKafkaBroker } from '../kafka/shared-kafka.ts'
import type { KafkaShare } from '../kafka/shared-kafka.ts'
import { openPortBroker } from '../port/port-broker.ts'
import { servePort } from '../port/port-server.ts'

/** A broker of this process on its way to one other thread: plain data, but for the ports in it, which are transferred. */
export type BrokerHandle =
  | { readonly kind: 'port'; readonly port: MessagePort }
  | { readonly kind: 'kafka'; readonly share: KafkaShare }

export interface SharedBroker {
  /** For `openSharedBroker` in the other thread; used once. */
  readonly handle: BrokerHandle
  /** To be transferred together with the handle. */
  readonly transferList: readonly MessagePort[]
  /** Releases what the other thread left: its members leave their groups, and an embedded log aborts its transactions. Safe to call twice. */
  close(): void
}

/**
 * Lets one other thread of this process use the broker. The embedded log stays here and is reached through a port; on a
 * cluster the other thread gets a client of its own. When that thread dies, `close` happens by itself.
 * @throws UNSUPPORTED for a connection to Kafka whose options are not plain data
 */
export function shareBroker(broker: Broker): SharedBroker {
  if (isClusterBroker(broker)) {
    const { share, close } = shareKafkaBroker(broker)
    return { handle: { kind: 'kafka', share }, transferList: [share.port], close }
  }
  const { port1, port2 } = new MessageChannel()
  const server = servePort(broker, port1)
  return { handle: { kind: 'port', port: port2 }, transferList: [port2], close: () => server.close() }
}

/** In the other thread. @throws BACKEND_UNAVAILABLE, NOT_AUTHORIZED where it is a cluster */
export async function openSharedBroker(handle: BrokerHandle): Promise<Broker> {
  return handle.kind === 'port' ? openPortBroker({ port: handle.port }) : openSharedKafkaBroker(handle.share)
}
