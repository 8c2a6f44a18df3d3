import type { RawConfig } from '../config-spec.ts'
import type { Converter } from '../converters/index.ts'
import type { PluginRegistry } from './plugin-registry.ts'
import type { RecordCodec } from './record-codec.ts'
import { converterDefaults } from './worker-config.ts'

type Role = 'key' | 'value' | 'header'

interface Chosen {
  readonly name: string
  readonly from: 'connector' | 'worker' | 'default'
  /** Without the role's prefix. */
  readonly config: RawConfig
}

/**
 * The converters of a connector: its own or, where it names none, the worker's. Settings come from where the name comes from
 * and are never mixed, as upstream.
 * @throws PLUGIN_NOT_FOUND, INVALID_CONFIG
 */
export function createCodec(registry: PluginRegistry, connector: RawConfig, worker: RawConfig): RecordCodec {
  const [key, value, header] = [choose('key', connector, worker), choose('value', connector, worker), choose('header', connector, worker)]
  const headerPlugin = registry.headerConverter(header.name)
  return {
    key: createConverter(registry, 'key', key),
    value: createConverter(registry, 'value', value),
    header: headerPlugin.create(headerPlugin.config.parse({ 'converter.type': 'header', ...header.config })),
    names: { key: registry.converter(key.name).class, value: registry.converter(value.name).class, header: headerPlugin.class },
  }
}

/** Which converter a config gets, and from where. The name as it was written where there is none of it. */
export function chosenConverter(role: Role, { connector, worker }: { readonly connector: RawConfig; readonly worker: RawConfig }, registry: PluginRegistry): { readonly class: string; readonly from: Chosen['from'] } {
  const { name, from } = choose(role, connector, worker)
  try {
    return { class: (role === 'header' ? registry.headerConverter(name) : registry.converter(name)).class, from }
  } catch {
    return { class: name, from }
  }
}

function createConverter(registry: PluginRegistry, role: 'key' | 'value', { name, config }: Chosen): Converter {
  const plugin = registry.converter(name)
  return plugin.create(plugin.config.parse({ 'converter.type': role, ...config }), { isKey: role === 'key' })
}

const defaultNames: Readonly<Record<Role, string>> = {
  key: 'org.apache.kafka.connect.json.JsonConverter',
  value: 'org.apache.kafka.connect.json.JsonConverter',
  header: 'org.apache.kafka.connect.storage.SimpleHeaderConverter',
}

function choose(role: Role, connector: RawConfig, worker: RawConfig): Chosen {
  const key = `${role}.converter`
  const own = connector[key]
  if (own !== undefined && own !== null) return { name: own, from: 'connector', config: under(`${key}.`, connector) }
  const named = worker[key]
  if (named !== undefined && named !== null) return { name: named, from: 'worker', config: under(`${key}.`, worker) }
  return { name: defaultNames[role], from: 'default', config: under(`${key}.`, { ...converterDefaults, ...worker }) }
}

function under(prefix: string, config: RawConfig): RawConfig {
  return Object.fromEntries(Object.entries(config).filter(([key]) => key.startsWith(prefix)).map(([key, value]) => [key.slice(prefix.length), value]))
}
