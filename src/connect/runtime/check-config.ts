import type { RawConfig } from '../config-spec.ts'
import { unknownKeys } from '../config-spec.ts'
import type { Secrets } from '../config-providers/secrets.ts'
import type { ConnectorPlugin, Log } from '../connector.ts'
import { configError } from '../errors.ts'
import { consumerSettings, overrideComplaints, producerSettings } from './client-settings.ts'
import { createCodec } from './codec-config.ts'
import { errorsOf } from './config-infos.ts'
import { sourceConfig } from './connector-config.ts'
import type { NamedConfig, SinkConfig, SourceConfig } from './connector-config.ts'
import { PluginRegistry } from './plugin-registry.ts'
import type { InstalledPlugin } from './plugin-registry.ts'
import { isExactlyOnce } from './run-task.ts'
import { TopicCreation } from './topic-creation.ts'
import { createTransformChain } from './transform-chain.ts'
import { baseSpec, complaintsOf, validateConnector } from './validate-connector.ts'
import type { ValidationContext } from './validate-connector.ts'
import { workerConfig } from './worker-config.ts'
import type { WorkerConfig } from './worker-config.ts'

export interface CheckedConfig {
  readonly named: NamedConfig
  readonly installed: InstalledPlugin<ConnectorPlugin>
  readonly config: SourceConfig | SinkConfig
}

/** Whether what upstream would ignore without a word is refused. */
export type Strictness = 'strict' | 'as-upstream'

export interface CheckContext extends ValidationContext {
  readonly secrets: Secrets
  readonly log: Log
}

/**
 * Everything that can be said about a connector's config before it runs. Keys that nobody knows and transforms that cannot be made
 * are refused when it is strict; else they are warned of, as upstream takes them.
 * @throws INVALID_CONFIG with all of it, PLUGIN_NOT_FOUND
 */
export async function checkConnectorConfig(given: NamedConfig, context: CheckContext, strictness: Strictness = 'strict'): Promise<CheckedConfig> {
  const { secrets, registry, worker, log } = context
  const name = given.name.trim()
  if ((given.config['name'] ?? name) !== name) throw configError(`Connector name configuration (${given.config['name']}) doesn't match connector name in the URL (${name})`)
  const written: RawConfig = { ...given.config, name }
  const { installed, infos } = await validateConnector(written, context)
  const raw = secrets.resolve(written)
  const { plugin } = installed
  const base = baseSpec(plugin)
  const doubts = [
    ...unknownKeys(raw, [base, plugin.config]).values(),
    ...complaintsOf(() => createCodec(registry, raw, worker)),
    ...complaintsOf(() => createTransformChain(registry, raw)?.close()),
    ...overrideComplaints(raw).doubtful,
    ...secrets.doubts(written),
  ]
  const isStrict = strictness === 'strict'
  const clients = { connector: raw, worker }
  const wrong = [...errorsOf(infos), ...overrideComplaints(raw).refused, ...complaintsOf(() => plugin.type === 'sink' ? consumerSettings(name, clients) : producerSettings(clients))]
  const complaints = [...(isStrict ? doubts : []), ...wrong, ...(plugin.type === 'source' && wrong.length === 0 ? sourceComplaints(raw, worker, plugin) : [])]
  if (complaints.length > 0) throw invalid(name, complaints.map((each) => secrets.redact(each)), isStrict)
  for (const doubt of doubts) log.warn(`connector ${name}: ${secrets.redact(doubt)}`)
  return { named: { name, config: written }, installed, config: base.parse(raw) }
}

function sourceComplaints(raw: RawConfig, worker: RawConfig, plugin: ConnectorPlugin): readonly string[] {
  return complaintsOf(() => {
    const config = sourceConfig.parse(raw)
    new TopicCreation(raw, config['topic.creation.groups'])
    if (config['exactly.once.support'] !== 'required') return
    if (!isExactlyOnce(workerConfig.parse(worker))) throw configError('exactly.once.support=required needs a worker with exactly.once.source.support=enabled')
    const connector = plugin.type === 'source' ? plugin.createConnector() : undefined
    if (connector?.supportsExactlyOnce?.(plugin.config.parse(raw)) !== true) throw configError(`exactly.once.support=required, but ${plugin.class} cannot give it with this config`)
  })
}

/** Upstream's sentences, which tools match on. */
function invalid(name: string, complaints: readonly string[], isStrict: boolean) {
  const shown = isStrict ? [...new Set(complaints)] : complaints
  const text = [
    `Connector configuration is invalid and contains the following ${shown.length} error(s):`, ...shown,
    'You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`',
  ]
  return configError(text.join('\n'), { details: { connector: name, complaints: shown } })
}

/** @throws INVALID_CONFIG with every complaint */
export function checkWorkerConfig(raw: RawConfig): WorkerConfig {
  const complaints = [...unknownKeys(raw, [workerConfig]).values(), ...workerConfig.check(raw).flatMap(({ errors }) => errors)]
  if (complaints.length > 0) throw configError(`Worker configuration is invalid and contains the following ${complaints.length} error(s):\n${complaints.join('\n')}`)
  createCodec(new PluginRegistry(), {}, raw)
  return workerConfig.parse(raw)
}
