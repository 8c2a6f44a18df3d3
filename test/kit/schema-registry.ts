/** A schema registry in this process, which keeps to the documented REST API: ids over all subjects, versions in each, and its numbers of errors. */
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Registered {
  readonly schema: string
  readonly schemaType: string
  readonly references?: readonly Reference[]
}

interface Reference {
  readonly name: string
  readonly subject: string
  readonly version: number
}

export class TestRegistry {
  readonly requests: string[] = []
  /** Asked for with each request when set. */
  authorization: string | undefined
  /** Answers 503 to so many requests. */
  failures = 0
  /** Refuses new schemas of the subject. */
  readonly closedSubjects = new Set<string>()
  readonly #schemas: Registered[] = []
  readonly #subjects = new Map<string, number[]>()
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  static async open(): Promise<TestRegistry> {
    const registry = new TestRegistry()
    await new Promise<void>((resolve) => { registry.#server.listen(0, '127.0.0.1', resolve) })
    return registry
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** As another program would. @returns the id */
  register(subject: string, schema: string, schemaType = 'AVRO', references: readonly Reference[] = []): number {
    let id = this.#schemas.findIndex((each) => each.schema === schema && each.schemaType === schemaType) + 1
    if (id === 0) id = this.#schemas.push({ schema, schemaType, ...(references.length > 0 && { references }) })
    const versions = this.#subjects.get(subject) ?? []
    this.#subjects.set(subject, versions.includes(id) ? versions : [...versions, id])
    return id
  }

  schemaOf(subject: string): unknown {
    return JSON.parse(this.#schemas[this.#subjects.get(subject)!.at(-1)! - 1]!.schema)
  }

  textOf(subject: string): string {
    return this.#schemas[this.#subjects.get(subject)!.at(-1)! - 1]!.schema
  }

  get subjects(): readonly string[] {
    return [...this.#subjects.keys()]
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => { this.#server.close(resolve) })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    this.requests.push(`${request.method} ${request.url}`)
    const { status, body } = this.#answer(request, Buffer.concat(chunks).toString())
    response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' }).end(JSON.stringify(body))
  }

  #answer(request: IncomingMessage, text: string): { readonly status: number; readonly body: unknown } {
    const refuse = (code: number, message: string) => ({ status: Math.floor(code / (code > 999 ? 100 : 1)), body: { error_code: code, message } })
    if (this.failures > 0) {
      this.failures--
      return refuse(503, 'not now')
    }
    if (this.authorization !== undefined && request.headers.authorization !== this.authorization) return refuse(401, 'Unauthorized')
    const path = request.url!.split('?')[0]!.split('/').slice(1).map(decodeURIComponent)
    const [root, name, ...rest] = path
    if (root === 'schemas' && request.method === 'GET') {
      const found = this.#schemas[Number(rest[0]) - 1]
      return found === undefined ? refuse(40403, 'Schema not found') : { status: 200, body: found.schemaType === 'AVRO' ? { ...found, schemaType: undefined } : found }
    }
    const versions = this.#subjects.get(name!)
    if (request.method === 'GET') {
      const id = rest[1] === 'latest' ? versions?.at(-1) : versions?.[Number(rest[1]) - 1]
      return id === undefined ? refuse(40401, `Subject '${name}' not found.`) : { status: 200, body: { subject: name, version: versions!.length, id, ...this.#schemas[id - 1]! } }
    }
    const { schema, schemaType = 'AVRO' } = JSON.parse(text) as { readonly schema: string; readonly schemaType?: string }
    const known = this.#schemas.findIndex((each) => each.schema === schema && each.schemaType === schemaType) + 1
    const isHere = versions?.includes(known) ?? false
    if (rest[0] !== 'versions') return versions === undefined ? refuse(40401, `Subject '${name}' not found.`) : isHere ? { status: 200, body: { subject: name, id: known, version: versions.indexOf(known) + 1, schema } } : refuse(40403, 'Schema not found')
    if (!isHere && this.closedSubjects.has(name!)) return refuse(409, `Schema being registered is incompatible with an earlier schema for subject "${name}"`)
    return { status: 200, body: { id: this.register(name!, schema, schemaType) } }
  }
}
