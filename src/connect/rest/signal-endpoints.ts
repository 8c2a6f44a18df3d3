/** Ours: what a person asks of a running source, such as to read tables again. */
import { z } from 'zod'
import type { RawConfig } from '../config-spec.ts'
import type { SourceConnector } from '../connector.ts'
import { describeError } from '../errors.ts'
import type { Herder } from '../runtime/herder/herder.ts'
import { badRequest } from '../runtime/herder/refusal.ts'
import type { PluginRegistry } from '../runtime/plugin-registry.ts'
import { requireConnector } from './connector-endpoints.ts'
import { accepted } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { readBody } from './request-body.ts'

export interface SignalEndpointsOptions {
  readonly herder: Herder
  readonly registry: PluginRegistry
  /** Fills in secrets. */
  readonly resolve: (config: RawConfig) => RawConfig
}

const signalBody = z.strictObject({ type: z.string().min(1), data: z.record(z.string(), z.unknown()).optional() })

export function signalEndpoints({ herder, registry, resolve }: SignalEndpointsOptions): readonly Endpoint[] {
  return [
    {
      method: 'POST', path: '/connectors/:connector/signals', summary: 'Asks a source for something while it runs; its documentation says for what.', body: signalBody,
      answers: { 202: 'It will, when it runs', 400: 'The connector takes no such signal, or cannot be reached', 404: 'There is none of that name' },
      handle: async ({ params, body }) => {
        const name = params['connector']!
        requireConnector(herder, name)
        const { type, data = {} } = readBody(signalBody, body)
        const config = resolve(herder.config(name))
        const { plugin } = await registry.connector(config['connector.class'] ?? '', config['connector.plugin.version'] ?? undefined)
        const connector: Pick<SourceConnector, 'signal'> = plugin.type === 'source' ? plugin.createConnector() : {}
        if (connector.signal === undefined) throw badRequest(`Connector ${name} takes no signals`)
        try {
          await connector.signal(plugin.config.parse(config), { type, data })
        } catch (error) {
          throw badRequest(describeError(error), error)
        }
        return accepted()
      },
    },
  ]
}
