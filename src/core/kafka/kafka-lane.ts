import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import type { KafkaClient, KafkaConnection, KafkaNodeAddress } from './kafka-client.ts'
import { decodeResponse, encodeRequest } from './wire/index.ts'
import type { Api } from './wire/index.ts'

export interface LaneCollaborators {
  readonly client: KafkaClient
  readonly clock: Clock
  readonly clientId: string
  /** Where a node listens; undefined when the cluster does not know it (any more). */
  addressOf(nodeId: number): KafkaNodeAddress | undefined
}

/**
 * One connection per node, used by one owner: a broker answers a connection's requests in their order, so a long poll or
 * a join that waits for others must not stand before somebody else's request. Connections open when they are needed and
 * again after they were lost.
 */
export class KafkaLane {
  readonly #collaborators: LaneCollaborators
  readonly #connections = new Map<number, Promise<KafkaConnection>>()
  #isClosed = false

  constructor(collaborators: LaneCollaborators) {
    this.#collaborators = collaborators
  }

  /**
   * @throws BACKEND_UNAVAILABLE (retriable) when the node cannot be reached, or has not answered after `timeoutMs`:
   * then the connection is given up, and nobody knows whether the request was executed; UNSUPPORTED; CLOSED
   */
  async send<Request, Response>(nodeId: number, api: Api<Request, Response>, request: Request, timeoutMs: number): Promise<Response> {
    const connection = await this.#connection(nodeId)
    ensureSpoken(connection, api)
    const body = encodeRequest(api, request)
    let isLate = false
    const timer = this.#collaborators.clock.setTimer(timeoutMs, () => {
      isLate = true
      connection.close()
    })
    try {
      return decodeResponse(api, await connection.request({ apiKey: api.key, apiName: api.name, apiVersion: api.version, body }))
    } catch (error) {
      if (this.#isClosed) throw closedError()
      if (!isLate) throw error
      throw new StreamError('BACKEND_UNAVAILABLE', `node ${nodeId} of the Kafka cluster has not answered ${api.name} within ${timeoutMs} ms`, { retriable: true, cause: error, details: { nodeId } })
    } finally {
      timer.cancel()
    }
  }

  /** Gives up on everything in flight. Safe to call twice. */
  close(): void {
    this.#isClosed = true
    for (const connection of this.#connections.values()) closeWhenOpen(connection)
    this.#connections.clear()
  }

  async #connection(nodeId: number): Promise<KafkaConnection> {
    if (this.#isClosed) throw closedError()
    const known = this.#connections.get(nodeId)
    if (known !== undefined) {
      const connection = await known
      if (connection.isOpen) return connection
      if (this.#connections.get(nodeId) !== known) return this.#connection(nodeId)
    }
    const opening = this.#open(nodeId)
    this.#connections.set(nodeId, opening)
    opening.catch(() => {
      if (this.#connections.get(nodeId) === opening) this.#connections.delete(nodeId)
    })
    return opening
  }

  async #open(nodeId: number): Promise<KafkaConnection> {
    const address = this.#collaborators.addressOf(nodeId)
    if (address === undefined) {
      throw new StreamError('BACKEND_UNAVAILABLE', `node ${nodeId} is not in the Kafka cluster at present`, { retriable: true, details: { nodeId } })
    }
    const connection = await this.#collaborators.client.connect(address, this.#collaborators.clientId)
    if (!this.#isClosed) return connection
    connection.close()
    throw closedError()
  }
}

function closeWhenOpen(connection: Promise<KafkaConnection>): void {
  connection.then((open) => open.close(), () => undefined)
}

function closedError(): StreamError {
  return new StreamError('CLOSED', 'the connection to the Kafka cluster was closed')
}

function ensureSpoken(connection: KafkaConnection, api: Pick<Api<unknown, unknown>, 'key' | 'name' | 'version'>): void {
  const range = connection.versions(api.key)
  if (range !== undefined && range.minVersion <= api.version && api.version <= range.maxVersion) return
  const spoken = range === undefined ? 'does not know it' : `speaks versions ${range.minVersion} to ${range.maxVersion}`
  throw new StreamError('UNSUPPORTED', `this needs version ${api.version} of Kafka's ${api.name}, and the broker ${spoken}; Apache Kafka 2.5 and later have it`)
}
