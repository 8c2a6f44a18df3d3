/** Bodies of requests, read as upstream reads them, but with a 400 that says what is wrong where upstream answers 500. */
import { z } from 'zod'
import type { RawConfig } from '../config-spec.ts'
import { RestError } from './rest-error.ts'

/** @throws 400 */
export function parseJson(text: string): unknown {
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new RestError(400, `The body is not JSON: ${(error as Error).message}`)
  }
}

/** Numbers and booleans become text, as upstream's. */
const scalar = z.union([z.string(), z.number(), z.boolean()], { error: 'must be text, a number or a boolean; write a list as "a,b,c"' }).transform(String)

export const configBody = z.record(z.string(), scalar.nullable(), { error: 'a JSON object is needed, with a setting a member' }).transform((config): RawConfig => config)

export const createBody = z.strictObject({
  name: scalar.nullish(),
  config: configBody,
  initial_state: z.string().nullish().transform((state) => state?.toUpperCase()).pipe(z.enum(['RUNNING', 'PAUSED', 'STOPPED'], { error: 'must be RUNNING, PAUSED or STOPPED' }).optional()),
}, { error: (issue) => (issue.code === 'unrecognized_keys' ? undefined : 'a JSON object with "name" and "config" is needed') })

const flat = z.record(z.string(), z.unknown())

export const offsetsBody = z.strictObject({
  offsets: z.array(z.strictObject({ partition: flat.nullish().transform((each) => each ?? null), offset: flat.nullish().transform((each) => each ?? null) })).nullish().transform((each) => each ?? null),
})

export const levelBody = z.object({ level: z.unknown().optional() })

export const taskConfigsBody = z.array(configBody)

/** @throws 400 naming the place */
export function readBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const complaints = result.error.issues.map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`))
  throw new RestError(400, `The body of the request cannot be used: ${complaints.slice(0, 10).join('; ')}`)
}
