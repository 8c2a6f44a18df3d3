import type { MessagePort } from 'node:worker_threads'
import type { Broker } from '../broker.ts'
import { engineOf } from '../engine/broker-client.ts'
import type { AppendRequest, EngineApi, FetchedPartition, JoinAnswer, JoinRequest } from '../engine/engine-api.ts'
import type { ProducerIdentity } from '../engine/transaction-state.ts'
import { spareBlockOf } from '../log/record-batch.ts'
import { encodeError, encodePartition } from './port-messages.ts'
import type { ClientMessage, Method, ServerMessage } from './port-messages.ts'

/** The methods whose last argument is a signal, which stays here: the message says when to call off. */
const cancellable: ReadonlySet<Method> = new Set(['fetch', 'joinGroup', 'watchMember', 'fetchOffsets'])

export interface PortServer {
  /** Releases what the client left, and ends the port. Safe to call twice. */
  close(): void
}

/**
 * Serves a broker of this thread to the other end of the port, for `openPortBroker` there. When that end closes, or its
 * thread dies, its calls are called off, its members leave and its transactions are aborted; the broker goes on.
 * @throws UNSUPPORTED for a broker that has no engine in this process
 */
export function servePort(broker: Broker, port: MessagePort): PortServer {
  return new EngineServer(engineOf(broker), port)
}

class EngineServer implements PortServer {
  readonly #engine: EngineApi
  readonly #port: MessagePort
  readonly #running = new Map<number, AbortController>()
  readonly #producers = new Map<string, ProducerIdentity>()
  readonly #members = new Map<string, { readonly groupId: string; readonly memberId: string }>()
  #closed = false

  constructor(engine: EngineApi, port: MessagePort) {
    this.#engine = engine
    this.#port = port
    port.on('message', (message: ClientMessage) => this.#receive(message))
    port.on('close', () => this.close())
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const call of this.#running.values()) call.abort()
    for (const { groupId, memberId } of this.#members.values()) this.#engine.leaveGroup(groupId, memberId).catch(() => undefined)
    for (const [transactionalId, producer] of this.#producers) this.#engine.releaseProducer(transactionalId, producer)
    this.#port.close()
  }

  #receive(message: ClientMessage): void {
    if (message.kind === 'call-off') this.#running.get(message.id)?.abort()
    else void this.#answer(message)
  }

  /** The engine is called before this returns, so that appends keep the order of their messages. */
  async #answer({ id, method, args }: Extract<ClientMessage, { kind: 'call' }>): Promise<void> {
    const abort = new AbortController()
    this.#running.set(id, abort)
    try {
      const value: unknown = await Reflect.apply(this.#engine[method], this.#engine, cancellable.has(method) ? [...args, abort.signal] : args)
      this.#remember(method, args, value)
      if (method === 'fetch') this.#sendFetched(id, value as readonly FetchedPartition[])
      else this.#sendAnswer(id, value, method === 'append' ? spareBlockOf((args[0] as AppendRequest).bytes) : null)
    } catch (error) {
      this.#send({ kind: 'failure', id, error: encodeError(error) })
    } finally {
      this.#running.delete(id)
    }
  }

  #sendFetched(id: number, partitions: readonly FetchedPartition[]): void {
    const value = partitions.map(encodePartition)
    this.#send({ kind: 'answer', id, value, memory: null }, value.map(({ bytes }) => bytes.buffer))
  }

  /** The log has written the batch, and does not look at it any more: producers of its own thread use such memory again, too. */
  #sendAnswer(id: number, value: unknown, memory: ArrayBuffer | null): void {
    this.#send({ kind: 'answer', id, value, memory }, memory === null ? [] : [memory])
  }

  #send(message: ServerMessage, transfer: readonly ArrayBuffer[] = []): void {
    if (!this.#closed) this.#port.postMessage(message, transfer)
  }

  /** What has to be released when the client dies; what came about after that is released at once. */
  #remember(method: Method, args: readonly unknown[], value: unknown): void {
    if (method === 'initProducer') {
      const { transactionalId } = args[0] as Parameters<EngineApi['initProducer']>[0]
      if (transactionalId === null) return
      this.#producers.set(transactionalId, value as ProducerIdentity)
      if (this.#closed) this.#engine.releaseProducer(transactionalId, value as ProducerIdentity)
    } else if (method === 'releaseProducer') {
      this.#producers.delete(args[0] as string)
    } else if (method === 'joinGroup') {
      const { groupId } = args[0] as JoinRequest
      const { memberId } = value as JoinAnswer
      this.#members.set(`${groupId}/${memberId}`, { groupId, memberId })
      if (this.#closed) this.#engine.leaveGroup(groupId, memberId).catch(() => undefined)
    } else if (method === 'leaveGroup') {
      this.#members.delete(`${String(args[0])}/${String(args[1])}`)
    }
  }
}
