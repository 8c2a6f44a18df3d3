import type { Broker, Clock } from '../../core/index.ts'
import { sleep } from '../../core/index.ts'
import { describeError } from '../errors.ts'
import type { Herder } from '../runtime/herder/herder.ts'
import { done, ok } from './endpoint.ts'
import type { Endpoint, RestAnswer } from './endpoint.ts'
import { levelBody, readBody } from './request-body.ts'

export interface WorkerFacts {
  readonly version: string
  readonly broker: Broker
  readonly clock: Clock
  /** Whether the worker has begun to do its share. */
  readonly isReady: () => boolean
  /** For how long it has been starting and stopping what is its share, this time. */
  readonly busyMs: () => number
  /** What a task and a connector are given to stop. */
  readonly gracefulMs: number
}

/** Besides what is given to those that do not stop in time: to write and read what it says of them. */
const patienceMs = 60_000
/** A connector is waited for, asked to stop and waited for again; so is a task that is ended. */
const stopsInARow = 4

const healthTimeoutMs = 10_000

/** Upstream's RootResource and HealthCheck (KIP-1017). */
export function workerEndpoints(facts: WorkerFacts): readonly Endpoint[] {
  return [
    {
      method: 'GET', path: '/', summary: 'Tells the version of the worker and which cluster it works on.', answers: { 200: 'Them' },
      handle: async () => ok({ version: facts.version, commit: facts.version, kafka_cluster_id: (await facts.broker.describeCluster()).clusterId ?? 'embedded' }),
    },
    {
      method: 'GET', path: '/health', summary: 'Tells whether the worker can work: it has started, its log answers, and it does what is asked for.', answers: { 200: 'It can', 500: 'It cannot', 503: 'Not yet' },
      handle: () => health(facts),
    },
  ]
}

async function health({ isReady, broker, clock, busyMs, gracefulMs }: WorkerFacts): Promise<RestAnswer> {
  if (!isReady()) return { status: 503, body: { status: 'starting', message: 'Worker is still starting up.' } }
  if (busyMs() > patienceMs + stopsInARow * gracefulMs) return unhealthy(`it has been starting and stopping connectors and tasks for ${Math.round(busyMs() / 1000)} s, which holds up all that is asked for`)
  const enough = new AbortController()
  try {
    const answer = broker.topics.list().then(() => 'healthy' as const)
    const late = sleep(clock, healthTimeoutMs, enough.signal).then(() => 'late' as const)
    if ((await Promise.race([answer, late])) === 'healthy') return ok({ status: 'healthy', message: 'Worker has completed startup and is ready to handle requests.' })
    return unhealthy(`its log did not answer within ${healthTimeoutMs} ms`)
  } catch (error) {
    return unhealthy(describeError(error))
  } finally {
    enough.abort()
  }
}

function unhealthy(reason: string): RestAnswer {
  return { status: 500, body: { status: 'unhealthy', message: `Worker was unable to handle this request and may be unable to handle other requests: ${reason}` } }
}

/** Upstream's LoggingResource (KIP-495, KIP-976). */
export function loggerEndpoints(herder: Herder): readonly Endpoint[] {
  return [
    { method: 'GET', path: '/admin/loggers', summary: 'Lists the loggers that have a level of their own.', answers: { 200: 'Them' }, handle: () => ok(herder.loggers.all()) },
    { method: 'GET', path: '/admin/loggers/:logger', summary: 'Tells the level of a logger.', answers: { 200: 'It', 404: 'It has none of its own' }, handle: ({ params }) => ok(herder.loggers.get(params['logger']!)) },
    {
      method: 'PUT', path: '/admin/loggers/:logger', summary: 'Sets the level of a logger and of those below it.', body: levelBody, query: { scope: 'cluster: on every worker' }, answers: { 200: 'The loggers that changed', 204: 'Every worker will', 400: 'No level', 404: 'There is no such level' },
      handle: async ({ params, query, body }) => {
        const { level } = readBody(levelBody, body ?? {})
        if (query['scope']?.toLowerCase() !== 'cluster') return ok(herder.loggers.set(params['logger']!, level))
        await herder.setLevelEverywhere(params['logger']!, level)
        return done
      },
    },
  ]
}
