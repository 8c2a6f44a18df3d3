/** Where the REST API listens and who may use it: upstream's keys of a worker's config. */
import type { ConnectionOptions, SecureContextOptions, TlsOptions } from 'node:tls'
import type { RawConfig } from '../config-spec.ts'
import { readConfigured } from '../disk.ts'
import { configError } from '../errors.ts'
import { parseProperties } from '../properties.ts'
import type { WorkerConfig } from '../runtime/worker-config.ts'
import { listenerTls, peerTls } from '../tls.ts'

export interface Listener {
  readonly protocol: 'http' | 'https'
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  readonly tls: (SecureContextOptions & TlsOptions) | null
}

export interface HeaderRule {
  readonly action: 'set' | 'add' | 'setDate' | 'addDate'
  readonly name: string
  readonly value: string
}

export interface RestConfig {
  readonly listeners: readonly Listener[]
  /** null: the loggers are on the listeners above; empty: nowhere. */
  readonly adminListeners: readonly Listener[] | null
  /** Empty: no other origin. */
  readonly allowedOrigins: readonly string[]
  readonly allowedMethods: readonly string[]
  readonly headers: readonly HeaderRule[]
  /** User → password; null: everybody may. */
  readonly users: ReadonlyMap<string, string> | null
  /** For requests that are passed on to other workers. */
  readonly peerTls: () => ConnectionOptions
  /** How other workers reach this one; absent members follow the first listener. */
  readonly advertised: { readonly host: string | null; readonly port: number | null; readonly protocol: 'http' | 'https' | null }
}

const loopback = '127.0.0.1'

/** @throws INVALID_CONFIG naming the key */
export function restConfigOf(worker: WorkerConfig, raw: RawConfig): RestConfig {
  const protocol = worker['rest.advertised.listener']
  if (worker.listeners.length === 0) {
    throw configError('Invalid value [] for configuration listeners: Invalid value for listeners, at least one URL is expected, ex: http://localhost:8080,https://localhost:8443.', { details: { key: 'listeners' } })
  }
  return {
    listeners: worker.listeners.map((text) => listenerOf('listeners', text, raw)),
    adminListeners: worker['admin.listeners'] === null ? null : worker['admin.listeners'].map((text) => listenerOf('admin.listeners', text, raw)),
    allowedOrigins: listOf(worker['access.control.allow.origin']),
    allowedMethods: listOf(worker['access.control.allow.methods']),
    headers: headerRules(worker['response.http.headers.config']),
    users: usersOf(worker),
    peerTls: () => peerTls(raw),
    advertised: { host: worker['rest.advertised.host.name'], port: worker['rest.advertised.port'], protocol: protocol === '' ? null : protocol },
  }
}

function listOf(text: string): readonly string[] {
  return text.split(',').map((each) => each.trim()).filter((each) => each !== '')
}

/** `http://host:port`; without a host it is this machine alone, unless `0.0.0.0` says every interface. */
function listenerOf(key: string, text: string, raw: RawConfig): Listener {
  const match = /^(https?):\/\/(\[[^\]]*\]|[^:/]*)(?::(\d{1,5}))?\/?$/i.exec(text.trim())
  if (match === null || Number(match[3] ?? 0) > 65_535) {
    throw configError(`Invalid value ${text} for configuration ${key}: a listener is written http://host:port or https://host:port; without a host it is ${loopback}`, { details: { key } })
  }
  const protocol = match[1]!.toLowerCase() as Listener['protocol']
  const host = match[2]!.replace(/^\[|\]$/g, '')
  return { protocol, host: host === '' ? loopback : host, port: Number(match[3] ?? (protocol === 'https' ? 8443 : 8083)), tls: protocol === 'https' ? listenerTls(raw) : null }
}

const basicAuthExtension = 'org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension'

function usersOf(worker: WorkerConfig): ReadonlyMap<string, string> | null {
  const classes = worker['rest.extension.classes']
  const file = worker['rest.basic.auth.file']
  const unknown = classes.find((name) => name !== basicAuthExtension)
  if (unknown !== undefined) throw configError(`rest.extension.classes: there is no extension ${unknown} here, only ${basicAuthExtension}`, { details: { key: 'rest.extension.classes' } })
  if (classes.length === 0 && file === null) return null
  if (file === null) throw configError('rest.extension.classes asks for basic authentication: say in rest.basic.auth.file where users and passwords are, a line user=password each', { details: { key: 'rest.basic.auth.file' } })
  return new Map(Object.entries(parseProperties(readConfigured('rest.basic.auth.file', file).toString('utf8'))))
}

/** `action name:value`, separated by commas; one with a comma stands in quotes (KIP-577). */
function headerRules(text: string): readonly HeaderRule[] {
  const parts = text.match(/\s*"[^"]*"\s*|[^,]+/g)?.map((part) => part.trim().replace(/^"|"$/g, '')).filter((part) => part !== '') ?? []
  return parts.map((part): HeaderRule => {
    const match = /^(set|add|setDate|addDate)\s+([^:\s]+)\s*:\s*(.*)$/.exec(part)
    if (match === null) throw configError(`Invalid value ${part} for configuration response.http.headers.config: a rule is written "set|add|setDate|addDate Name:value"`, { details: { key: 'response.http.headers.config' } })
    return { action: match[1] as HeaderRule['action'], name: match[2]!, value: match[3]! }
  })
}
