import type { MessagePort, Transferable } from 'node:worker_threads'
import type { AppendRequest, EngineApi, FetchRequest } from '../engine/engine-api.ts'
import { StreamError } from '../errors.ts'
import { SpareMemory } from '../log/record-batch.ts'
import { partitionKey } from '../record.ts'
import { decodeError, decodePartition } from './port-messages.ts'
import type { ClientMessage, Method, PortPartition, ServerMessage } from './port-messages.ts'

interface PendingCall {
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
}

type Answer<M extends Method> = Awaited<ReturnType<EngineApi[M]>>

/**
 * The engine of another thread, over a MessagePort: each method is a message and waits for its answer.
 * ```
 *   open ──close()──▶ closed           calls fail with CLOSED
 *     └──the other side is gone──▶ dead    everything under way and every later call fails with BACKEND_UNAVAILABLE
 * ```
 */
export class PortEngine implements EngineApi {
  readonly isInOtherThread = true
  readonly #port: MessagePort
  readonly #pending = new Map<number, PendingCall>()
  readonly #spare = new SpareMemory()
  #lastId = 0
  #ended: StreamError | null = null

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (message: ServerMessage) => this.#receive(message))
    port.on('close', () => this.#end(new StreamError('BACKEND_UNAVAILABLE', 'the thread that holds the broker has ended or closed the port; open a new port to a broker that runs')))
  }

  /** The other side releases what was opened from here. */
  close(): Promise<void> {
    this.#end(new StreamError('CLOSED', 'the broker is closed'))
    this.#port.close()
    return Promise.resolve()
  }

  // ---------------------------------------------------------------------------------------------------- calls with bytes

  append(request: AppendRequest) {
    const bytes = copyInto(this.#spare, request.bytes)
    return this.#call('append', [{ ...request, bytes }], { transfer: [bytes.buffer] })
  }

  async fetch(request: FetchRequest, signal?: AbortSignal) {
    const from = new Map(request.positions.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]))
    const partitions: readonly unknown[] = await this.#call('fetch', [request], { signal })
    return (partitions as readonly PortPartition[]).map((partition) => decodePartition(partition, from.get(partitionKey(partition.topic, partition.partition))!))
  }

  // ---------------------------------------------------------------------------------------------------- plain calls

  createTopics(...args: Parameters<EngineApi['createTopics']>) { return this.#call('createTopics', args) }
  listTopics(...args: Parameters<EngineApi['listTopics']>) { return this.#call('listTopics', args) }
  describeTopics(...args: Parameters<EngineApi['describeTopics']>) { return this.#call('describeTopics', args) }
  removeTopics(...args: Parameters<EngineApi['removeTopics']>) { return this.#call('removeTopics', args) }
  alterTopic(...args: Parameters<EngineApi['alterTopic']>) { return this.#call('alterTopic', args) }
  listOffsets(...args: Parameters<EngineApi['listOffsets']>) { return this.#call('listOffsets', args) }
  deleteRecords(...args: Parameters<EngineApi['deleteRecords']>) { return this.#call('deleteRecords', args) }
  partitionCounts(...args: Parameters<EngineApi['partitionCounts']>) { return this.#call('partitionCounts', args) }
  initProducer(...args: Parameters<EngineApi['initProducer']>) { return this.#call('initProducer', args) }
  commitTransactionOffsets(...args: Parameters<EngineApi['commitTransactionOffsets']>) { return this.#call('commitTransactionOffsets', args) }
  endTransaction(...args: Parameters<EngineApi['endTransaction']>) { return this.#call('endTransaction', args) }
  syncGroup(...args: Parameters<EngineApi['syncGroup']>) { return this.#call('syncGroup', args) }
  memberStatus(...args: Parameters<EngineApi['memberStatus']>) { return this.#call('memberStatus', args) }
  leaveGroup(...args: Parameters<EngineApi['leaveGroup']>) { return this.#call('leaveGroup', args) }
  commitOffsets(...args: Parameters<EngineApi['commitOffsets']>) { return this.#call('commitOffsets', args) }
  listGroups() { return this.#call('listGroups', []) }
  describeGroup(...args: Parameters<EngineApi['describeGroup']>) { return this.#call('describeGroup', args) }
  removeGroups(...args: Parameters<EngineApi['removeGroups']>) { return this.#call('removeGroups', args) }
  removeOffsets(...args: Parameters<EngineApi['removeOffsets']>) { return this.#call('removeOffsets', args) }

  joinGroup(request: Parameters<EngineApi['joinGroup']>[0], signal?: AbortSignal) { return this.#call('joinGroup', [request], { signal }) }
  watchMember(request: Parameters<EngineApi['watchMember']>[0], signal: AbortSignal) { return this.#call('watchMember', [request], { signal }) }
  fetchOffsets(request: Parameters<EngineApi['fetchOffsets']>[0], signal?: AbortSignal) { return this.#call('fetchOffsets', [request], { signal }) }

  releaseProducer(...args: Parameters<EngineApi['releaseProducer']>): void {
    this.#call('releaseProducer', args).catch(() => undefined)
  }

  // ---------------------------------------------------------------------------------------------------- messages

  #call<M extends Method>(method: M, args: readonly unknown[], options: { signal?: AbortSignal | undefined; transfer?: Transferable[] } = {}): Promise<Answer<M>> {
    if (this.#ended !== null) return Promise.reject(this.#ended)
    const id = ++this.#lastId
    const { signal } = options
    const callOff = () => this.#send({ kind: 'call-off', id })
    const answer = new Promise<Answer<M>>((resolve, reject) => this.#pending.set(id, { resolve, reject }))
    this.#send({ kind: 'call', id, method, args }, options.transfer)
    if (signal === undefined) return answer
    signal.addEventListener('abort', callOff, { once: true })
    if (signal.aborted) callOff()
    return answer.finally(() => signal.removeEventListener('abort', callOff))
  }

  #send(message: ClientMessage, transfer: Transferable[] = []): void {
    if (this.#ended === null) this.#port.postMessage(message, transfer)
  }

  #receive(message: ServerMessage): void {
    const call = this.#pending.get(message.id)
    this.#pending.delete(message.id)
    if (message.kind === 'failure') return call?.reject(decodeError(message.error))
    if (message.memory !== null) this.#spare.giveBack(message.memory)
    call?.resolve(message.value as never)
  }

  #end(error: StreamError): void {
    this.#ended ??= error
    const calls = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject } of calls) reject(this.#ended)
  }
}

/** Left to the other side, each copy would be garbage of a thread that makes little of it: V8 lets 32 MB of such memory lie before it looks. */
function copyInto(memory: SpareMemory, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(memory.take(bytes.length), 0, bytes.length)
  copy.set(bytes)
  return copy
}
