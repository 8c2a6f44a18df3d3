/** The OpenAPI document, made of the same endpoints and schemas that the server runs by. */
import { z } from 'zod'
import type { Endpoint } from './endpoint.ts'
import { ok } from './endpoint.ts'

type Json = Readonly<Record<string, unknown>>

export function openApiDocument(endpoints: readonly Endpoint[], version: string): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const endpoint of endpoints) {
    if (endpoint.isInternal === true) continue
    const path = endpoint.path.replace(/:([^/]+)/g, '{$1}')
    paths[path] = { ...paths[path], [endpoint.method.toLowerCase()]: operation(endpoint) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Kafka Connect REST API', version, description: 'The REST API of Kafka Connect, as Millrace answers it.', license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' } },
    paths,
    components: { schemas: { Error: errorSchema } },
  }
}

const errorSchema = { type: 'object', required: ['error_code', 'message'], properties: { error_code: { type: 'integer', description: 'The status of the answer.' }, message: { type: 'string' } } }

function operation({ path, method, summary, query = {}, body, answers }: Endpoint): Json {
  const inPath = [...path.matchAll(/:([^/]+)/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } }))
  const inQuery = Object.entries(query).map(([name, description]) => ({ name, in: 'query', required: false, description, schema: { type: 'string' } }))
  return {
    operationId: `${method.toLowerCase()}${path.replace(/[:/-]+(.)?/g, (_, letter: string | undefined) => letter?.toUpperCase() ?? '')}`,
    summary,
    parameters: [...inPath, ...inQuery],
    ...(body !== undefined && { requestBody: { required: true, content: { 'application/json': { schema: z.toJSONSchema(body, { io: 'input', unrepresentable: 'any' }) } } } }),
    responses: Object.fromEntries(Object.entries(answers).map(([status, description]) => [status, answer(Number(status), description)])),
  }
}

function answer(status: number, description: string): Json {
  if (status < 400) return { description }
  return { description, content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } }
}

export function openApiEndpoint(endpoints: readonly Endpoint[], version: string): Endpoint {
  const document = openApiDocument(endpoints, version)
  return { method: 'GET', path: '/openapi.json', summary: 'Tells this document.', answers: { 200: 'It' }, handle: () => ok(document) }
}
