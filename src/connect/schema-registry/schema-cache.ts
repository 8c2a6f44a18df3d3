import { dataError } from '../errors.ts'
import { NotReady } from '../converters/not-ready.ts'
import type { RegisteredSchema, RegistryClient, RegistrySchema, RegistrySchemaType } from './registry-client.ts'
import type { RegistryConfig } from './registry-config.ts'

/** What the registry said, for a converter that cannot wait. Each question is asked once; a refusal or a failure is forgotten. */
export class SchemaCache {
  readonly #client: RegistryClient
  readonly #config: RegistryConfig
  readonly #schemaType: RegistrySchemaType
  readonly #answers = new Map<string, unknown>()
  readonly #pending = new Map<string, Promise<void>>()

  constructor(client: RegistryClient, config: RegistryConfig, schemaType: RegistrySchemaType) {
    this.#client = client
    this.#config = config
    this.#schemaType = schemaType
  }

  /** With which schema a record of the subject is written, and its id; the same object for the same schema. @throws NotReady */
  forWriting(subject: string, schema: string): RegisteredSchema {
    const own: RegistrySchema = { schema, schemaType: this.#schemaType, imports: [] }
    if (this.#config['use.latest.version']) return this.#get(`latest ${subject}`, () => this.#client.latest(subject))
    return this.#get(`own ${subject} ${schema}`, async () => ({
      ...own, id: await (this.#config['auto.register.schemas'] ? this.#client.register(subject, own) : this.#client.lookUp(subject, own)),
    }))
  }

  /** The schema that a record was written with. @throws NotReady; INVALID_DATA when it is of another kind */
  byId(id: number): RegistrySchema {
    const found = this.#get(`id ${id}`, () => this.#client.byId(id))
    if (found.schemaType !== this.#schemaType) throw dataError(`the record was written with schema ${id}, which is ${found.schemaType}; this converter reads ${this.#schemaType}`)
    return found
  }

  #get<T>(question: string, ask: () => Promise<T>): T {
    const known = this.#answers.get(question)
    if (known !== undefined) return known as T
    let pending = this.#pending.get(question)
    if (pending === undefined) {
      pending = ask().then((answer) => this.#keep(question, answer)).finally(() => this.#pending.delete(question))
      this.#pending.set(question, pending)
    }
    throw new NotReady(pending)
  }

  #keep(question: string, answer: unknown): void {
    if (this.#answers.size >= this.#config['schemas.cache.size']) this.#answers.delete(this.#answers.keys().next().value!)
    this.#answers.set(question, answer)
  }
}

/** Keeps what is dear to make, such as a compiled schema, for as many keys as it is told. */
export class Kept<K, V> {
  readonly #size: number
  readonly #values = new Map<K, V>()

  constructor(size: number) {
    this.#size = size
  }

  get(key: K, make: () => V): V {
    const known = this.#values.get(key)
    if (known !== undefined) return known
    const made = make()
    if (this.#values.size >= this.#size) this.#values.delete(this.#values.keys().next().value!)
    this.#values.set(key, made)
    return made
  }
}
