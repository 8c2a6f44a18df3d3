import type { ConnectionOptions } from 'node:tls'
import type { RawConfig } from '../../config-spec.ts'
import { describeError } from '../../errors.ts'
import type { SessionKey } from './config-records.ts'
import { askPeer } from './peer-request.ts'
import { badRequest, forbidden, unavailable } from './refusal.ts'
import { algorithmHeader, isSigned, sign, signatureAlgorithm, signatureHeader } from './session-key.ts'

export interface PeersOptions {
  /** As it stands in the config topic; null: not yet. */
  readonly sessionKey: () => SessionKey | null
  /** Where the leader's REST API is; null: nobody leads, or it is this worker. */
  readonly leaderUrl: () => string | null
  readonly tls: () => ConnectionOptions
}

/** A leader that is there answers sooner; one that is not must not hold a connector up. */
const answerMs = 60_000

/** What workers of a cluster ask of their leader, signed so that nobody else can (KIP-507). */
export class Peers {
  readonly #options: PeersOptions

  constructor(options: PeersOptions) {
    this.#options = options
  }

  /** Gives the leader a plan to keep. @throws BACKEND_UNAVAILABLE, retriable */
  sendTasks(connector: string, tasks: readonly RawConfig[]): Promise<void> {
    return this.#ask({ method: 'POST', path: `${encodeURIComponent(connector)}/tasks`, body: JSON.stringify(tasks), what: `the tasks of connector ${connector} cannot be kept` })
  }

  /** Has the leader fence the tasks of earlier plans. @throws BACKEND_UNAVAILABLE, retriable */
  requestFence(connector: string, signal: AbortSignal): Promise<void> {
    return this.#ask({ method: 'PUT', path: `${encodeURIComponent(connector)}/fence`, signal, what: `earlier tasks of connector ${connector} cannot be fenced` })
  }

  /** @throws 400 without a signature of an algorithm that is known, 403 with a wrong one, 503 as long as this worker does not know the key */
  requireSigned(headers: Readonly<Record<string, string>>, body: unknown): void {
    const [key, given, algorithm] = [this.#options.sessionKey(), headers[signatureHeader], headers[algorithmHeader]]
    if (given === undefined || algorithm === undefined) throw badRequest('Internal request missing required signature')
    if (algorithm !== signatureAlgorithm) {
      throw badRequest(`This worker does not support the '${algorithm}' key signing algorithm used by other workers. This worker is currently configured to use: [${signatureAlgorithm}]. Check that all workers' configuration files permit the same set of signature algorithms, and correct any misconfigured worker and restart it.`)
    }
    if (key === null) throw unavailable('This worker is still starting up and has not been able to read a session key from the config topic yet')
    if (!isSigned(key, body === undefined ? '' : JSON.stringify(body), given)) throw forbidden('Internal request contained invalid signature.')
  }

  async #ask({ method, path, body, signal, what }: { readonly method: string; readonly path: string; readonly body?: string; readonly signal?: AbortSignal; readonly what: string }): Promise<void> {
    const [leader, key] = [this.#options.leaderUrl(), this.#options.sessionKey()]
    if (leader === null || key === null) throw unavailable(`${what}: nobody leads the cluster now`)
    const limit = AbortSignal.timeout(answerMs)
    const { status, text } = await askPeer(new URL(`${leader}/connectors/${path}`), {
      method, body, tls: this.#options.tls, signal: signal === undefined ? limit : AbortSignal.any([signal, limit]), headers: sign(key, body ?? ''),
    }).catch((error: unknown) => { throw unavailable(`${what}: the leader of the cluster cannot be reached at ${leader}: ${describeError(error)}`, error) })
    if (status >= 300) throw unavailable(`${what}: the leader of the cluster at ${leader} answers: ${text}`)
  }
}
