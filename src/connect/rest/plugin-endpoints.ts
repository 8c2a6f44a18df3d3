import { versionComplaint } from '../runtime/chosen-class.ts'
import { keyInfos } from '../runtime/config-infos.ts'
import type { ConfigKeyInfo } from '../runtime/config-infos.ts'
import type { PluginRegistry } from '../runtime/plugin-registry.ts'
import { baseSpec, validateConnector } from '../runtime/validate-connector.ts'
import type { ValidationContext } from '../runtime/validate-connector.ts'
import { ok } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { configBody, readBody } from './request-body.ts'
import { RestError } from './rest-error.ts'

interface PluginInfo {
  readonly class: string
  readonly type: string
  readonly version: string
}

/** Upstream's ConnectorPluginsResource. */
export function pluginEndpoints(context: ValidationContext & { readonly redact: (text: string) => string }): readonly Endpoint[] {
  const { registry } = context
  return [
    {
      method: 'GET', path: '/connector-plugins', summary: 'Lists plugins.', query: { connectorsOnly: 'false: converters, transforms and predicates, too' }, answers: { 200: 'Class, type and version of each' },
      handle: async ({ query }) => {
        const all = await allPlugins(registry)
        // only the word false asks for more, in any case, as in Java
        const isAll = query['connectorsOnly'] !== undefined && query['connectorsOnly'].toLowerCase() !== 'true'
        return ok(isAll ? all : all.filter(({ type }) => type === 'source' || type === 'sink'))
      },
    },
    {
      method: 'GET', path: '/connector-plugins/:plugin/config', summary: 'Tells what a plugin can be configured with.', query: { version: 'a version, or a range of them' }, answers: { 200: 'Its keys', 400: 'There is no such version', 404: 'There is no such plugin' },
      handle: async ({ params, query }) => ok(await keysOf(registry, params['plugin']!, query['version'] ?? null)),
    },
    {
      method: 'PUT', path: '/connector-plugins/:plugin/config/validate', summary: 'Checks a config without using it.', body: configBody, answers: { 200: 'Every key with its value and its errors', 400: 'The config names no connector or another one' },
      handle: async ({ params, body }) => {
        const config = readBody(configBody, body ?? {})
        const [plugin, included] = [params['plugin']!, config['connector.class']]
        if (included != null && !normalized(included).endsWith(normalized(plugin))) throw new RestError(400, `Included connector type ${included} does not match request type ${plugin}`)
        return ok(JSON.parse(context.redact(JSON.stringify((await validateConnector(config, context)).infos))))
      },
    },
  ]
}

function normalized(name: string): string {
  return name.length > 'Connector'.length ? name.replace(/Connector$/, '') : name
}

async function allPlugins(registry: PluginRegistry): Promise<readonly PluginInfo[]> {
  const connectors = (await registry.connectors()).map(({ plugin }) => plugin)
  return [...connectors, ...registry.transforms(), ...registry.predicates(), ...registry.converters(), ...registry.headerConverters()]
    .map(({ class: className, type, version }) => ({ class: className, type, version }))
    .toSorted((a, b) => (a.class < b.class ? -1 : a.class > b.class ? 1 : 0))
}

async function keysOf(registry: PluginRegistry, name: string, version: string | null): Promise<readonly ConfigKeyInfo[]> {
  const requireVersion = (className: string, available: readonly string[]) => {
    const complaint = versionComplaint(className, version, available)
    if (complaint !== null) throw new RestError(400, complaint)
  }
  const connector = await unlessMissing(() => registry.connector(name))
  if (connector !== undefined) {
    const { plugin } = connector
    requireVersion(plugin.class, registry.versionsOf(plugin.class))
    const base = keyInfos(baseSpec(plugin)).map((key) => (key.name === 'connector.plugin.version' ? { ...key, default_value: plugin.version } : key))
    return [...keyInfos(plugin.config), ...base]
  }
  for (const find of [() => registry.converter(name), () => registry.headerConverter(name), () => registry.transform(name), () => registry.predicate(name)]) {
    const found = await unlessMissing(async () => find())
    if (found === undefined) continue
    requireVersion(found.class, [found.version])
    return keyInfos(found.config)
  }
  throw new RestError(404, `Unknown plugin ${name}.`)
}

async function unlessMissing<T>(find: () => Promise<T>): Promise<T | undefined> {
  try {
    return await find()
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== 'PLUGIN_NOT_FOUND') throw error
    return undefined
  }
}
