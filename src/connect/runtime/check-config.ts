import type { ConfigSpec, RawConfig } from '../config-spec.ts'
import { unknownKeys } from '../config-spec.ts'
import type { Secrets } from '../config-providers/secrets.ts'
import type { ConnectorPlugin } from '../connector.ts'
import { configError, describeError } from '../errors.ts'
import { createCodec } from './codec-config.ts'
import { sinkConfig, sourceConfig } from './connector-config.ts'
import type { NamedConfig, SinkConfig, SourceConfig } from './connector-config.ts'
import { PluginRegistry } from './plugin-registry.ts'
import type { InstalledPlugin } from './plugin-registry.ts'
import { isExactlyOnce } from './run-task.ts'
import { TopicCreation } from './topic-creation.ts'
import { createTransformChain } from './transform-chain.ts'
import { workerConfig } from './worker-config.ts'
import type { WorkerConfig } from './worker-config.ts'

export interface CheckedConfig {
  readonly named: NamedConfig
  readonly installed: InstalledPlugin<ConnectorPlugin>
  readonly config: SourceConfig | SinkConfig
}

/** Everything that can be said about a connector's config before it runs. @throws INVALID_CONFIG with all of it, PLUGIN_NOT_FOUND */
export async function checkConnectorConfig(given: NamedConfig, registry: PluginRegistry, { worker, secrets }: { readonly worker: RawConfig; readonly secrets: Secrets }): Promise<CheckedConfig> {
  const name = given.name.trim()
  const written: RawConfig = { ...given.config, name }
  const raw = secrets.resolve(written)
  if (name === '') throw configError('a connector needs a name: give {"name": "…", "config": {…}}')
  if ((given.config['name'] ?? given.name) !== given.name) throw configError(`Connector name configuration (${given.config['name']}) doesn't match connector name (${given.name})`)
  const className = raw['connector.class']
  if (className === null || className === undefined || className === '') throw configError(`connector ${name}: connector.class is missing: say which connector it is`)
  const installed = await registry.connector(className)
  const { plugin } = installed
  await registry.loadGiven()
  const base: ConfigSpec<SourceConfig | SinkConfig> = plugin.type === 'source' ? sourceConfig : sinkConfig
  const complaints = [
    ...unknownKeys(raw, [base, plugin.config]).values(),
    ...[base, plugin.config].flatMap((spec) => spec.check(raw).flatMap(({ errors }) => errors)),
    ...complaintsOf(() => createCodec(registry, raw, worker)),
    ...complaintsOf(() => createTransformChain(registry, raw)?.close()),
    ...(plugin.type === 'source' ? sourceComplaints(raw, worker, plugin) : []),
  ]
  if (complaints.length > 0) throw invalid(name, complaints.map((each) => secrets.redact(each)))
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

function complaintsOf(step: () => unknown): readonly string[] {
  try {
    step()
    return []
  } catch (error) {
    return [describeError(error)]
  }
}

/** Upstream's beginning, which tools match on. */
function invalid(name: string, complaints: readonly string[]) {
  const distinct = [...new Set(complaints.flatMap((each) => each.split('\n')))]
  return configError(`Connector configuration is invalid and contains the following ${distinct.length} error(s):\n${distinct.join('\n')}`, { details: { connector: name, complaints: distinct } })
}

/** @throws INVALID_CONFIG with every complaint */
export function checkWorkerConfig(raw: RawConfig): WorkerConfig {
  const complaints = [...unknownKeys(raw, [workerConfig]).values(), ...workerConfig.check(raw).flatMap(({ errors }) => errors)]
  if (complaints.length > 0) throw configError(`Worker configuration is invalid and contains the following ${complaints.length} error(s):\n${complaints.join('\n')}`)
  createCodec(new PluginRegistry(), {}, raw)
  return workerConfig.parse(raw)
}
