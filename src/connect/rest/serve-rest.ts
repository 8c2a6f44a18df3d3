import type { Herder } from '../runtime/herder/herder.ts'
import type { Peers } from '../runtime/herder/peers.ts'
import { packageVersion } from '../runtime/package-version.ts'
import type { WorkerParts } from '../runtime/worker-parts.ts'
import { connectorEndpoints, topicEndpoints } from './connector-endpoints.ts'
import { deadLetterEndpoints } from './dead-letter-endpoints.ts'
import type { Endpoint } from './endpoint.ts'
import { internalEndpoints } from './internal-endpoints.ts'
import { metricsEndpoint } from './metrics.ts'
import { openApiEndpoint } from './open-api.ts'
import { pluginEndpoints } from './plugin-endpoints.ts'
import { restConfigOf } from './rest-config.ts'
import { RestServer } from './rest-server.ts'
import { signalEndpoints } from './signal-endpoints.ts'
import { loggerEndpoints, workerEndpoints } from './worker-endpoints.ts'

export interface ServedWorker {
  readonly herder: Herder
  readonly parts: WorkerParts
  readonly isReady: () => boolean
  /** The other workers of a cluster; absent: there are none. */
  readonly peers?: Peers
}

/** Opens the REST API of a worker as its config says. @throws INVALID_CONFIG */
export async function serveRest({ herder, parts, isReady, peers }: ServedWorker): Promise<RestServer> {
  const { workerConfig, worker, registry, broker, clock, log, secrets, runner } = parts
  const redact = (text: string) => secrets.redact(text)
  const endpoints: readonly Endpoint[] = [
    ...workerEndpoints({ version: packageVersion, broker, clock, isReady, busyMs: () => herder.busyMs, gracefulMs: workerConfig['task.shutdown.graceful.timeout.ms'] }),
    ...connectorEndpoints(herder),
    ...topicEndpoints(herder, { tracking: workerConfig['topic.tracking.enable'], reset: workerConfig['topic.tracking.allow.reset'] }),
    ...pluginEndpoints({ registry, worker, resolve: parts.resolve, clusterGroup: parts.clusterGroup, redact }),
    ...deadLetterEndpoints(herder, broker),
    ...signalEndpoints({ herder, registry, resolve: parts.resolve }),
    metricsEndpoint(runner, broker),
    ...(peers === undefined ? [] : internalEndpoints(herder, peers)),
  ]
  const admin = loggerEndpoints(herder)
  return RestServer.open({
    config: restConfigOf(workerConfig, worker), clock, log, redact, stage: () => herder.stages.text,
    endpoints: [...endpoints, openApiEndpoint([...endpoints, ...admin], packageVersion)], adminEndpoints: admin,
  })
}
