import type { MessagePort } from 'node:worker_threads'
import type { Broker } from '../broker.ts'
import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { BrokerClient } from '../engine/broker-client.ts'
import { systemRandom } from '../random.ts'
import type { Random } from '../random.ts'
import { PortEngine } from './port-engine.ts'

export interface PortBrokerOptions {
  /** One end of a MessageChannel whose other end is given to `servePort`. It belongs to the broker from now on. */
  readonly port: MessagePort
  readonly clock?: Clock
  readonly random?: Random
}

/**
 * The broker of another thread: producers, readers and group members run here, batches are encoded and decoded here, and
 * only encoded batches travel. When the thread that serves ends, everything fails with BACKEND_UNAVAILABLE.
 */
export function openPortBroker({ port, clock = systemClock, random = systemRandom }: PortBrokerOptions): Broker {
  const engine = new PortEngine(port)
  return new BrokerClient(engine, { clock, random, closeEngine: () => engine.close() })
}
