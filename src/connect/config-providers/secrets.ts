import { isStreamError, nearestName, StreamError } from '../../core/index.ts'
import type { RawConfig } from '../config-spec.ts'
import type { Log } from '../connector.ts'
import { configError, describeError } from '../errors.ts'
import { builtInProviders } from './built-in-providers.ts'
import type { ConfigProvider } from './config-provider.ts'

const placeholder = /\$\{([^}:]*):(?:([^}]*):)?([^}:]*)\}/g
/** Shorter values are no secrets, and hiding them would garble every text. */
const minSecretLength = 4
/** What a timer can wait. */
const maxTtlMs = 2_147_483_647

/**
 * Fills in `${provider:path:key}` where a config is used, so that what is stored and shown keeps the placeholder. Remembers
 * the values that it gave out, and takes them out of texts again. Unlike upstream, a placeholder that leads nowhere is an error.
 */
export class Secrets {
  readonly #providers: ReadonlyMap<string, ConfigProvider>
  readonly #ttlsMs: ReadonlyMap<string, number>
  /** Value → what it stood for. */
  readonly #known = new Map<string, string>()

  private constructor(providers: ReadonlyMap<string, ConfigProvider>, ttlsMs: ReadonlyMap<string, number>) {
    this.#providers = providers
    this.#ttlsMs = ttlsMs
  }

  /** From `config.providers` of the worker's config. @throws INVALID_CONFIG for a provider whose class is not known */
  static from(worker: RawConfig): Secrets {
    const names = (worker['config.providers'] ?? '').split(',').map((name) => name.trim()).filter((name) => name !== '')
    return new Secrets(new Map(names.map((name) => [name, createProvider(name, worker)])), new Map(names.flatMap((name) => ttlOf(name, worker))))
  }

  /** After how long the first of the secrets in the config should be looked up again; undefined: never. */
  ttlMs(config: RawConfig): number | undefined {
    const texts = Object.values(config).filter((text) => text !== null)
    const ttls = texts.flatMap((text) => [...text.matchAll(placeholder)].flatMap(([, name]) => this.#ttlsMs.get(name!) ?? []))
    return ttls.length === 0 ? undefined : Math.min(...ttls)
  }

  /** Where nothing is filled in, since the worker names no provider, what looks as if something should be: it stays as it is. */
  doubts(config: RawConfig): readonly string[] {
    if (this.#providers.size > 0) return []
    return Object.entries(config).flatMap(([key, value]) => {
      const [whole, name] = /\$\{(env|file|dir):[^}]*\}/.exec(value ?? '') ?? []
      return whole === undefined ? [] : [`${key} holds ${whole}, which nothing fills in: the worker's config names no provider; set config.providers=${name} there`]
    })
  }

  /** @throws INVALID_CONFIG naming the key and the placeholder */
  resolve(config: RawConfig): RawConfig {
    if (this.#providers.size === 0) return config
    return Object.fromEntries(Object.entries(config).map(([key, value]) => [key, value === null ? null : this.#fill(key, value)]))
  }

  /** The text with the placeholder in place of each value that was given out. */
  redact(text: string): string {
    let redacted = text
    for (const [value, source] of this.#known) redacted = redacted.replaceAll(value, source)
    return redacted
  }

  /** The error itself when no secret was given out; else one of the same code that says none, without its causes and their stacks. */
  redactError(error: unknown): unknown {
    if (this.#known.size === 0) return error
    const redacted = this.redact(describeError(error))
    return isStreamError(error) ? new StreamError(error.code, redacted, { retriable: error.retriable }) : new Error(redacted)
  }

  redactingLog(log: Log): Log {
    if (this.#providers.size === 0) return log
    return {
      debug: (text) => log.debug(this.redact(text)),
      info: (text) => log.info(this.redact(text)),
      warn: (text) => log.warn(this.redact(text)),
      error: (text) => log.error(this.redact(text)),
    }
  }

  #fill(key: string, text: string): string {
    return text.replace(placeholder, (whole, name: string, path: string | undefined, secretKey: string) => {
      const provider = this.#providers.get(name)
      if (provider === undefined) throw configError(`${key}: there is no config provider "${name}" for ${whole}; known: ${[...this.#providers.keys()].join(', ')}`, { details: { key } })
      const value = lookUp(provider, { key, whole, path: path ?? '', secretKey })
      if (value.length >= minSecretLength) this.#known.set(value, whole)
      return value
    })
  }
}

function lookUp(provider: ConfigProvider, { key, whole, path, secretKey }: { readonly key: string; readonly whole: string; readonly path: string; readonly secretKey: string }): string {
  let value: string | undefined
  try {
    value = provider.get(path, secretKey)
  } catch (cause) {
    throw configError(`${key}: ${whole} cannot be filled in: ${describeError(cause)}`, { cause, details: { key } })
  }
  if (value === undefined) throw configError(`${key}: ${whole} cannot be filled in: there is no "${secretKey}"`, { details: { key } })
  return value
}

/** `config.providers.<name>.param.ttl.ms`; the providers of upstream have none. */
function ttlOf(name: string, worker: RawConfig): readonly (readonly [string, number])[] {
  const key = `config.providers.${name}.param.ttl.ms`
  const text = worker[key] ?? null
  if (text === null) return []
  if (!/^[1-9]\d{0,9}$/.test(text.trim()) || Number(text) > maxTtlMs) throw configError(`Invalid value ${text} for configuration ${key}: must be a number of milliseconds from 1 to ${maxTtlMs}`, { details: { key } })
  return [[name, Number(text)]]
}

function createProvider(name: string, worker: RawConfig): ConfigProvider {
  const className = worker[`config.providers.${name}.class`] ?? name
  const factory = builtInProviders[className] ?? builtInProviders[`org.apache.kafka.common.config.provider.${className}`]
  if (factory === undefined) {
    const nearest = nearestName(className, Object.keys(builtInProviders))
    throw configError(`config.providers.${name}.class: there is no config provider ${className}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`)
  }
  const prefix = `config.providers.${name}.param.`
  return factory(Object.fromEntries(Object.entries(worker).filter(([key]) => key.startsWith(prefix)).map(([key, value]) => [key.slice(prefix.length), value])))
}
