/**
 * What this backend needs of a Kafka client: connections, and nothing else. A client that gives them can take the place
 * of kafkajs (`kafkajs-client.ts`): it opens sockets, speaks TLS, authenticates by SASL, frames requests and matches
 * answers. Messages are encoded here (`wire/`), and records never pass through the client other than as bytes.
 */
import type { ConnectionOptions } from 'node:tls'
import type { Clock } from '../clock.ts'

export interface KafkaClient {
  /** One connection, ready for requests: connected, authenticated, its versions known. @throws BACKEND_UNAVAILABLE (retriable), NOT_AUTHORIZED */
  connect(address: KafkaNodeAddress, clientId: string): Promise<KafkaConnection>
}

export interface KafkaNodeAddress {
  readonly host: string
  readonly port: number
}

export interface KafkaConnection {
  /** False from the moment it is closed by either side. */
  readonly isOpen: boolean
  /** The versions of an API that the broker speaks, by API key; undefined when it does not know the API. */
  versions(apiKey: number): { readonly minVersion: number; readonly maxVersion: number } | undefined
  /**
   * Sends one request and resolves with the body of its answer (what follows the correlation id). Answers come in the
   * order of the requests, so a request that waits on the broker delays those behind it.
   * @throws BACKEND_UNAVAILABLE (retriable) when the connection is lost; whether the request was executed is unknown then
   */
  request(request: RawRequest): Promise<Buffer>
  /** Gives up on everything in flight. Safe to call twice. */
  close(): void
}

export interface RawRequest {
  readonly apiKey: number
  readonly apiName: string
  readonly apiVersion: number
  readonly body: Buffer
}

/** How to reach and to convince a cluster. */
export interface KafkaClientOptions {
  /** True: TLS with the system's certificates. */
  readonly ssl: boolean | ConnectionOptions
  readonly sasl: SaslOptions | null
  /** For all of it: TCP, TLS, versions, SASL. */
  readonly connectionTimeoutMs: number
  readonly clock: Clock
}

export type SaslOptions =
  | { readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'; readonly username: string; readonly password: string }
  /** A function is asked for a token with every connection. */
  | { readonly mechanism: 'OAUTHBEARER'; readonly token: string | (() => Promise<string>) }
