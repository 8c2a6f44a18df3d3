import type { Clock } from '../../core/index.ts'
import { sleep, systemClock } from '../../core/index.ts'
import { connectorError, dataError, describeError, retriableError } from '../errors.ts'
import type { RegistryConfig } from './registry-config.ts'

export type RegistrySchemaType = 'AVRO' | 'JSON' | 'PROTOBUF'

export interface RegistrySchema {
  readonly schemaType: RegistrySchemaType
  readonly schema: string
  /** What it refers to, under the names that it uses, those first that others need. */
  readonly imports: readonly SchemaImport[]
}

export interface SchemaImport {
  readonly name: string
  readonly text: string
}

export interface RegisteredSchema extends RegistrySchema {
  readonly id: number
}

interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

const contentType = 'application/vnd.schemaregistry.v1+json'
/** A schema is text of people; an answer beyond this is none. */
const maxAnswerBytes = 16 * 1024 * 1024
/** Schemas that one needs, all together. */
const maxImports = 100
/** Rounds over all addresses before the task is told that the registry is away. */
const maxRounds = 3
const firstPauseMs = 100

/**
 * The part of the Schema Registry's REST API that converters need, with its numbers of errors.
 * @throws a retriable error when no address answers; INVALID_DATA with the registry's words when it refuses
 */
export class RegistryClient {
  readonly #config: RegistryConfig
  readonly #clock: Clock
  readonly #addresses: readonly { readonly url: string; readonly headers: Readonly<Record<string, string>> }[]

  constructor(config: RegistryConfig, clock: Clock = systemClock) {
    this.#config = config
    this.#clock = clock
    this.#addresses = config['schema.registry.url'].map((text) => addressOf(text, config))
  }

  /** The id of the schema under the subject; it is registered when it is not there. */
  async register(subject: string, schema: RegistrySchema): Promise<number> {
    return numberIn(await this.#expect('POST', `/subjects/${encodeURIComponent(subject)}/versions${this.#normalize()}`, schema), 'id')
  }

  /** The id of the schema under the subject, which must be there. */
  async lookUp(subject: string, schema: RegistrySchema): Promise<number> {
    return numberIn(await this.#expect('POST', `/subjects/${encodeURIComponent(subject)}${this.#normalize()}`, schema), 'id')
  }

  async latest(subject: string): Promise<RegisteredSchema> {
    const body = await this.#expect('GET', `/subjects/${encodeURIComponent(subject)}/versions/latest`)
    return { ...(await this.#schemaIn(body)), id: numberIn(body, 'id') }
  }

  async byId(id: number): Promise<RegistrySchema> {
    return this.#schemaIn(await this.#expect('GET', `/schemas/ids/${id}`))
  }

  async #schemaIn(body: Answer['body']): Promise<RegistrySchema> {
    const imports = new Map<string, SchemaImport | null>()
    await this.#import(body, imports)
    return { ...schemaIn(body), imports: [...imports.values()].filter((each) => each !== null) }
  }

  /** Depth first: what a schema refers to stands before it. */
  async #import(body: Answer['body'], found: Map<string, SchemaImport | null>): Promise<void> {
    for (const { name, subject, version } of referencesIn(body)) {
      if (found.has(name)) continue
      if (found.size >= maxImports) throw dataError(`the schema refers to more than ${maxImports} others`)
      found.set(name, null)
      const referred = await this.#expect('GET', `/subjects/${encodeURIComponent(subject)}/versions/${version}`)
      await this.#import(referred, found)
      found.delete(name)
      found.set(name, { name, text: schemaIn(referred).schema })
    }
  }

  #normalize(): string {
    return this.#config['normalize.schemas'] ? '?normalize=true' : ''
  }

  async #expect(method: string, path: string, schema?: RegistrySchema): Promise<Answer['body']> {
    // an absent type means Avro, also to registries that know nothing else
    const body = schema === undefined ? undefined : JSON.stringify({ schema: schema.schema, ...(schema.schemaType !== 'AVRO' && { schemaType: schema.schemaType }) })
    const { status, body: answer } = await this.#ask(method, path, body)
    if (status === 200) return answer
    const words = `the schema registry answers ${status} to ${method} ${path}: ${textIn(answer, 'message') ?? 'no reason given'} (error ${textIn(answer, 'error_code') ?? status})`
    if (status === 401 || status === 403) throw connectorError(words)
    throw dataError(words)
  }

  /** Each address in turn, a few times over. */
  async #ask(method: string, path: string, body: string | undefined): Promise<Answer> {
    let failure: unknown
    for (let round = 0; round < maxRounds; round++) {
      if (round > 0) await sleep(this.#clock, firstPauseMs * 2 ** round)
      for (const { url, headers } of this.#addresses) {
        try {
          const answer = await this.#send(`${url}${path}`, { method, headers, ...(body !== undefined && { body }) })
          if (answer.status < 500 && answer.status !== 429) return answer
          failure = new Error(`it answers ${answer.status}: ${textIn(answer.body, 'message') ?? 'no reason given'}`)
        } catch (error) {
          failure = error
        }
      }
    }
    throw retriableError(`the schema registry at ${this.#addresses.map(({ url }) => url).join(', ')} is away: ${describeError(failure)}`, { cause: failure })
  }

  async #send(url: string, request: RequestInit): Promise<Answer> {
    const answer = await fetch(url, { ...request, signal: AbortSignal.timeout(this.#config['schema.registry.request.timeout.ms']) })
    const text = await textOf(answer)
    try {
      const body: unknown = JSON.parse(text)
      return { status: answer.status, body: typeof body === 'object' && body !== null ? (body as Answer['body']) : {} }
    } catch {
      return { status: answer.status, body: { message: text.slice(0, 200) } }
    }
  }
}

/** User and password may stand in the address, where they would show in every error: they are taken out of it. */
function addressOf(text: string, config: RegistryConfig): { readonly url: string; readonly headers: Readonly<Record<string, string>> } {
  const url = new URL(text)
  const inUrl = url.username === '' ? undefined : `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  const user = config['basic.auth.credentials.source'] === 'USER_INFO' ? config['basic.auth.user.info']?.reveal() : inUrl
  const token = config['bearer.auth.token']?.reveal()
  const authorization = token !== undefined ? `Bearer ${token}` : user === undefined ? undefined : `Basic ${Buffer.from(user).toString('base64')}`
  url.username = ''
  url.password = ''
  return { url: url.href.replace(/\/$/, ''), headers: { 'content-type': contentType, 'accept': `${contentType}, application/json`, ...(authorization !== undefined && { authorization }) } }
}

async function textOf(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of answer.body ?? []) {
    const bytes = chunk as Uint8Array
    length += bytes.length
    if (length > maxAnswerBytes) throw new Error(`its answer is longer than ${maxAnswerBytes} bytes`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function textIn(body: Answer['body'], name: string): string | undefined {
  const value = body[name]
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined
}

function numberIn(body: Answer['body'], name: string): number {
  const value = body[name]
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  throw dataError(`the schema registry's answer has no "${name}"`)
}

const types: readonly unknown[] = ['AVRO', 'JSON', 'PROTOBUF']

function schemaIn(body: Answer['body']): Omit<RegistrySchema, 'imports'> {
  const { schema, schemaType = 'AVRO' } = body
  if (typeof schema !== 'string' || !types.includes(schemaType)) throw dataError('the schema registry\'s answer has no schema of a known type')
  return { schema, schemaType: schemaType as RegistrySchemaType }
}

interface Reference {
  readonly name: string
  readonly subject: string
  readonly version: number
}

function referencesIn({ references }: Answer['body']): readonly Reference[] {
  if (!Array.isArray(references)) return []
  return (references as readonly Answer['body'][]).map((each): Reference => {
    const [name, subject] = [textIn(each, 'name'), textIn(each, 'subject')]
    if (name === undefined || subject === undefined) throw dataError('the schema registry\'s answer has a reference without name and subject')
    return { name, subject, version: numberIn(each, 'version') }
  })
}
