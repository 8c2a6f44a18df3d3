/**
 * One cluster for several threads of a process: each thread opens a client of its own, and a port to the thread that shares
 * carries what it cannot do alone:
 * ```
 *   sharing thread                              other thread
 *   shareKafkaBroker ──options, port──────────▶ openSharedKafkaBroker
 *     fetches tokens        ◀──token?, token──▶   connects
 *     remembers members     ◀──joined, left──     joins groups, leaves them
 *     makes them leave      ◀──port closes──      dies
 * ```
 */
import type { MessagePort } from 'node:worker_threads'
import type { Broker } from '../broker.ts'
import { StreamError } from '../errors.ts'
import type { SaslOptions } from './kafka-client.ts'
import type { MembershipWatcher } from './kafka-cluster.ts'
import { openWatchedKafkaBroker } from './open-kafka-broker.ts'
import type { KafkaBrokerOptions } from './open-kafka-broker.ts'

/** What the other thread needs, as it travels in a message. */
export interface KafkaShare {
  readonly options: KafkaBrokerOptions
  /** SASL tokens come from a function of the thread that shares. */
  readonly asksForTokens: boolean
  readonly port: MessagePort
}

type ToSharer =
  | { readonly kind: 'joined' | 'left'; readonly groupId: string; readonly memberId: string }
  | { readonly kind: 'token'; readonly id: number }
type ToClient = { readonly id: number; readonly token: string } | { readonly id: number; readonly failure: string }

/** What sharing needs of a connection to a cluster; `KafkaBroker` is one. */
export interface ClusterBroker extends Broker {
  readonly options: KafkaBrokerOptions
  removeMember(groupId: string, memberId: string): Promise<void>
}

/** Told by its method, not by its class: a process without a cluster does not load that. */
export function isClusterBroker(broker: Broker): broker is ClusterBroker {
  return 'removeMember' in broker
}

/** @throws UNSUPPORTED when its options hold functions that cannot travel */
export function shareKafkaBroker(broker: ClusterBroker): { readonly share: KafkaShare; readonly close: () => void } {
  const { client, clock, random, sasl, ...options } = broker.options
  if (client !== undefined || clock !== undefined || random !== undefined) {
    throw new StreamError('UNSUPPORTED', 'a client, clock or random of your own cannot be used from another thread; open the connection to Kafka without it')
  }
  const fetchToken = sasl?.mechanism === 'OAUTHBEARER' && typeof sasl.token === 'function' ? sasl.token : null
  const plain = { ...options, ...(sasl !== undefined && { sasl: fetchToken === null ? sasl : { mechanism: 'OAUTHBEARER', token: '' } satisfies SaslOptions }) }
  ensureCloneable(plain)
  const { port1, port2 } = new MessageChannel()
  const members = new Map<string, { readonly groupId: string; readonly memberId: string }>()
  port1.on('message', (message: ToSharer) => {
    if (message.kind === 'token') void answerToken(port1, message.id, fetchToken)
    else if (message.kind === 'joined') members.set(`${message.groupId} ${message.memberId}`, message)
    else members.delete(`${message.groupId} ${message.memberId}`)
  })
  port1.on('close', () => {
    for (const { groupId, memberId } of members.values()) broker.removeMember(groupId, memberId).catch(() => undefined)
    members.clear()
  })
  return { share: { options: plain, asksForTokens: fetchToken !== null, port: port2 }, close: () => port1.close() }
}

/** In the other thread. @throws as `openKafkaBroker` */
export async function openSharedKafkaBroker({ options, asksForTokens, port }: KafkaShare): Promise<Broker> {
  const say = (message: ToSharer) => port.postMessage(message)
  const memberships: MembershipWatcher = {
    joined: (groupId, memberId) => say({ kind: 'joined', groupId, memberId }),
    left: (groupId, memberId) => say({ kind: 'left', groupId, memberId }),
  }
  const sasl: Pick<KafkaBrokerOptions, 'sasl'> = asksForTokens ? { sasl: { mechanism: 'OAUTHBEARER', token: tokensFrom(port) } } : {}
  // the thread lives as long as its connections do
  port.unref()
  return openWatchedKafkaBroker({ ...options, ...sasl }, memberships)
}

async function answerToken(port: MessagePort, id: number, fetchToken: (() => Promise<string>) | null): Promise<void> {
  try {
    if (fetchToken === null) throw new Error('no function fetches tokens')
    port.postMessage({ id, token: await fetchToken() } satisfies ToClient)
  } catch (error) {
    port.postMessage({ id, failure: error instanceof Error ? error.message : String(error) } satisfies ToClient)
  }
}

function tokensFrom(port: MessagePort): () => Promise<string> {
  const waiting = new Map<number, { readonly resolve: (token: string) => void; readonly reject: (error: Error) => void }>()
  let asked = 0
  port.on('message', (answer: ToClient) => {
    const question = waiting.get(answer.id)
    waiting.delete(answer.id)
    if ('token' in answer) question?.resolve(answer.token)
    else question?.reject(new StreamError('NOT_AUTHORIZED', `no SASL token: ${answer.failure}`))
  })
  port.on('close', () => {
    for (const { reject } of waiting.values()) reject(new StreamError('BACKEND_UNAVAILABLE', 'the thread that fetches SASL tokens has ended'))
  })
  return () => new Promise((resolve, reject) => {
    waiting.set(++asked, { resolve, reject })
    port.postMessage({ kind: 'token', id: asked } satisfies ToSharer)
  })
}

function ensureCloneable(options: KafkaBrokerOptions): void {
  try {
    structuredClone(options)
  } catch (error) {
    throw new StreamError('UNSUPPORTED', `this connection to Kafka cannot be opened again in another thread, because its options hold more than plain data: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}
