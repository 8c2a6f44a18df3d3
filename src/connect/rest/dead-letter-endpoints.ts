/** Ours: the dead letters of a connector, to look at and to put back. */
import { z } from 'zod'
import type { Broker, FoundDeadLetter } from '../../core/index.ts'
import { readDeadLetter, readDeadLetterTopic, redrive } from '../../core/index.ts'
import type { Herder } from '../runtime/herder/herder.ts'
import { ok } from './endpoint.ts'
import type { Endpoint, RestRequest } from './endpoint.ts'
import { readBody } from './request-body.ts'
import { RestError } from './rest-error.ts'

interface Letter {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly redriven: boolean
  readonly origin: { readonly topic: string; readonly partition: number; readonly offset: number } | null
  readonly error: string
  readonly message: string
  /** As text. */
  readonly key: string | null
  readonly value: string | null
  readonly headers: Readonly<Record<string, string | null>>
}

const defaultLimit = 100
const maxLimit = 1000
const maxShownBytes = 64 * 1024

const redriveBody = z.strictObject({
  /** Where the records go instead of where they came from. */
  to: z.string().min(1).optional(),
  /** Only count. */
  dry_run: z.boolean().optional(),
})

export function deadLetterEndpoints(herder: Herder, broker: Broker): readonly Endpoint[] {
  const path = '/connectors/:connector/dlq'
  return [
    {
      method: 'GET', path, summary: 'Shows dead letters of the connector, oldest first.', query: { limit: `how many at most, ${defaultLimit} if absent, ${maxLimit} at most`, error: 'only those whose error or message has this text', redriven: 'true or false: only those that went back, or did not' },
      answers: { 200: 'Them', 404: 'There is no such connector, or it keeps no dead letters' },
      handle: async (request) => {
        const topic = await topicOf(herder, broker, request)
        const limit = Math.min(maxLimit, Math.max(0, Math.trunc(Number(request.query['limit'] ?? defaultLimit)) || 0))
        const { error, redriven } = request.query
        const wanted = (letter: Letter) => (error === undefined || letter.error.includes(error) || letter.message.includes(error)) && (redriven === undefined || String(letter.redriven) === redriven.toLowerCase())
        const letters: Letter[] = []
        for await (const found of readDeadLetterTopic(broker, topic)) {
          if (letters.length >= limit) break
          const letter = letterOf(found)
          if (wanted(letter)) letters.push(letter)
        }
        return ok({ topic, records: letters })
      },
    },
    {
      method: 'POST', path: `${path}/redrive`, summary: 'Puts what did not go back yet where it came from, each record once and in order.', body: redriveBody, answers: { 200: 'How many', 400: 'A record does not say where it came from: say "to"', 404: 'There is no such connector, or it keeps no dead letters' },
      handle: async (request) => {
        const { to, dry_run: isDry = false } = readBody(redriveBody, request.body ?? {})
        const topic = await topicOf(herder, broker, request)
        if (!isDry) return ok({ topic, redriven: await redriven(broker, topic, to) })
        let waiting = 0
        for await (const { isRedriven } of readDeadLetterTopic(broker, topic)) if (!isRedriven) waiting++
        return ok({ topic, would_redrive: waiting })
      },
    },
  ]
}

async function redriven(broker: Broker, deadLetterTopic: string, to: string | undefined): Promise<number> {
  try {
    return await redrive(broker, { deadLetterTopic, ...(to !== undefined && { to }) })
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'INVALID_RECORD') throw new RestError(400, (error as Error).message)
    throw error
  }
}

async function topicOf(herder: Herder, broker: Broker, { params }: RestRequest): Promise<string> {
  const name = params['connector']!
  const config = herder.config(name)
  // A source that reads lines keeps those that are none in a topic of its own.
  const topic = config['errors.deadletterqueue.topic.name'] ?? config['dead.letter.topic'] ?? ''
  if (topic === '') throw new RestError(404, `Connector ${name} keeps no dead letters: set errors.deadletterqueue.topic.name`)
  if (!(await broker.topics.list()).includes(topic)) throw new RestError(404, `The dead-letter topic ${topic} of connector ${name} does not exist yet`)
  return topic
}

function letterOf({ partition, record, isRedriven }: FoundDeadLetter): Letter {
  const { origin, error, message } = readDeadLetter(record)
  return {
    partition, offset: record.offset, timestamp: record.timestamp, redriven: isRedriven, origin, error, message, key: textOf(record.key), value: textOf(record.value),
    headers: Object.fromEntries(record.headers.map((header) => [header.key, textOf(header.value)])),
  }
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, maxShownBytes)).toString('utf8')
}
