import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isStreamError, nearestName, settledWithin, StreamError, systemClock } from '../../core/index.ts'
import type { Clock } from '../../core/index.ts'
import type { AnyPlugin, ConnectorPlugin, PredicatePlugin, TransformPlugin } from '../connector.ts'
import { describeError } from '../errors.ts'
import type { ConverterPlugin, HeaderConverterPlugin } from '../converters/index.ts'
import { subFolders } from '../disk.ts'
import { predicatePlugins } from '../predicates/index.ts'
import { transformPlugins } from '../transforms/index.ts'
import { builtInConverters, builtInHeaderConverters, builtInModules } from './built-in-plugins.ts'
import { compareVersions, versionRange } from './version-range.ts'

/** A plugin and where it came from: the module that a task's thread imports; null when it was handed over as an object. */
export interface InstalledPlugin<P = AnyPlugin> {
  readonly plugin: P
  readonly module: string | null
}

export interface PluginRegistryOptions {
  /** Plugins as objects: their tasks run in-process. */
  readonly plugins?: readonly AnyPlugin[]
  /**
   * Modules that export `plugins`: package names, file URLs, or paths of files and folders, relative to where the process runs. A folder
   * that is no module itself holds one in each of its folders, such as two versions of one plugin.
   */
  readonly modules?: readonly string[]
  /** Told of a module that cannot be loaded, which is passed over then: one broken plugin must not stop the connectors of others. Absent: the error is thrown. */
  readonly onBroken?: (error: StreamError) => void
  readonly clock?: Clock
}

/** All connectors wait for a module of plugins that is being loaded, so no longer than this for one that hangs. */
const loadTimeoutMs = 30_000

interface Named {
  readonly type: string
  readonly class: string
  readonly aliases?: readonly string[]
}

const suffixes = /(?:Source|Sink)?Connector$|Converter$|HeaderConverter$|Transformation$|Predicate$/

/** Finds plugins by class name, by alias, or by the last part of the class with or without its suffix, as upstream. */
export class PluginRegistry {
  readonly #installed: InstalledPlugin[]
  readonly #unloaded: string[]
  readonly #onBroken: PluginRegistryOptions['onBroken']
  readonly #clock: Clock
  /** What is wrong with modules that were passed over. */
  readonly #broken: string[] = []
  #loading: Promise<void> | undefined

  constructor({ plugins = [], modules = [], onBroken, clock = systemClock }: PluginRegistryOptions = {}) {
    this.#clock = clock
    this.#onBroken = onBroken
    this.#installed = plugins.map((plugin): InstalledPlugin => ({ plugin, module: null }))
    this.#unloaded = [...modules.flatMap(moduleUrls), ...builtInModules]
  }

  /** Loads the modules that were given, so that `transform` and `predicate` know theirs. @throws PLUGIN_NOT_FOUND */
  async loadGiven(): Promise<void> {
    while (this.#unloaded.length > builtInModules.length) await this.#loadNext()
  }

  /** Loads modules until one has it, in a version of the range: a program without PostgreSQL does not load its driver. @throws PLUGIN_NOT_FOUND with the nearest name */
  async connector(name: string, version?: string): Promise<InstalledPlugin<ConnectorPlugin>> {
    for (;;) {
      const range = versionRange(version ?? null)
      const known = this.#connectors().filter(({ plugin }) => range === null || range.includes(plugin.version))
      if (known.some(({ plugin }) => answersTo(plugin, name))) return newest(find('connector class', name, known, ({ plugin }) => plugin), known)
      if (this.#unloaded.length === 0) throw await this.#noConnector(name, version)
      await this.#loadNext()
    }
  }

  /** Upstream's beginning, which tools match on. */
  async #noConnector(name: string, version: string | undefined): Promise<StreamError> {
    const known = this.#connectors().map(({ plugin }) => plugin)
    const nearest = nearestName(name, known.flatMap((each) => [...namesOf(each), ...shortNamesOf(each)]))
    const wanted = version === undefined ? name : `${name} in version ${version}`
    const list = known.map((each) => `${each.class} (${each.type}, ${each.version})`).toSorted().join(', ')
    const hint = nearest === undefined || nearest === name ? '' : `; did you mean ${nearest}?`
    return new StreamError('PLUGIN_NOT_FOUND', `Failed to find any class that implements Connector and which name matches ${wanted}, available connectors are: ${list}${hint}${this.#brokenHint}`, { details: { name } })
  }

  /** Of a connector class that is loaded, sorted. */
  versionsOf(className: string): readonly string[] {
    return [...new Set(this.#connectors().filter(({ plugin }) => plugin.class === className).map(({ plugin }) => plugin.version))].toSorted()
  }

  /** Every connector; loads every module. */
  async connectors(): Promise<readonly InstalledPlugin<ConnectorPlugin>[]> {
    while (this.#unloaded.length > 0) await this.#loadNext()
    return this.#connectors()
  }

  converters(): readonly ConverterPlugin[] {
    return builtInConverters
  }

  headerConverters(): readonly HeaderConverterPlugin[] {
    return builtInHeaderConverters
  }

  /** Of the modules that are loaded. */
  transforms(): readonly TransformPlugin[] {
    return [...this.#installed.map(({ plugin }) => plugin).filter((plugin) => plugin.type === 'transformation'), ...transformPlugins]
  }

  predicates(): readonly PredicatePlugin[] {
    return [...this.#installed.map(({ plugin }) => plugin).filter((plugin) => plugin.type === 'predicate'), ...predicatePlugins]
  }

  /** @throws PLUGIN_NOT_FOUND */
  converter(name: string): ConverterPlugin {
    return find('converter', name, builtInConverters, (each) => each)
  }

  /** @throws PLUGIN_NOT_FOUND */
  headerConverter(name: string): HeaderConverterPlugin {
    return find('header converter', name, builtInHeaderConverters, (each) => each)
  }

  /** @throws PLUGIN_NOT_FOUND */
  transform(name: string): TransformPlugin {
    return find('transform', name, this.transforms(), (each) => each, this.#brokenHint)
  }

  /** @throws PLUGIN_NOT_FOUND */
  predicate(name: string): PredicatePlugin {
    return find('predicate', name, this.predicates(), (each) => each, this.#brokenHint)
  }

  #connectors(): readonly InstalledPlugin<ConnectorPlugin>[] {
    return this.#installed.filter((each): each is InstalledPlugin<ConnectorPlugin> => each.plugin.type === 'source' || each.plugin.type === 'sink')
  }

  get #brokenHint(): string {
    return this.#broken.map((each) => `; ${each}`).join('')
  }

  /** Several may wait for the same module. */
  #loadNext(): Promise<void> {
    this.#loading ??= this.#load(this.#unloaded[0]!).finally(() => { this.#loading = undefined })
    return this.#loading
  }

  async #load(module: string): Promise<void> {
    try {
      this.#installed.push(...(await this.#loadInTime(module)))
    } catch (error) {
      if (this.#onBroken === undefined || !isStreamError(error)) throw error
      this.#broken.push(error.message)
      this.#onBroken(error)
    }
    this.#unloaded.shift()
  }

  /** One that comes late is taken all the same, for who asks then. */
  async #loadInTime(module: string): Promise<readonly InstalledPlugin[]> {
    const loading = loadModule(module)
    if (await settledWithin(loading, this.#clock, loadTimeoutMs)) return loading
    loading.then((plugins) => this.#installed.push(...plugins), () => {})
    throw new StreamError('PLUGIN_NOT_FOUND', `the plugin module ${module} cannot be loaded: it has not finished after ${loadTimeoutMs / 1000} s (an await in it that does not end?)`, { details: { module } })
  }
}

/** A path becomes the URL of its file; a folder, of its index or of what its package.json names, or of the modules in it. @throws PLUGIN_NOT_FOUND */
function moduleUrls(module: string): readonly string[] {
  if (!/^\.{0,2}[/\\]|^[A-Za-z]:[/\\]/.test(module)) return [module]
  const path = resolve(module)
  const own = moduleAt(path)
  const found = own === undefined ? subFolders(path).flatMap((folder) => moduleAt(folder) ?? []) : [own]
  if (found.length === 0) throw new StreamError('PLUGIN_NOT_FOUND', `plugin.path: there is no module at ${path}`, { details: { module } })
  return found
}

function moduleAt(path: string): string | undefined {
  try {
    return pathToFileURL(createRequire(pathToFileURL(path)).resolve(path)).href
  } catch {
    return undefined
  }
}

/** Of the same class, the highest version. */
function newest(found: InstalledPlugin<ConnectorPlugin>, among: readonly InstalledPlugin<ConnectorPlugin>[]): InstalledPlugin<ConnectorPlugin> {
  const same = among.filter(({ plugin }) => plugin.class === found.plugin.class)
  return same.reduce((best, each) => (compareVersions(each.plugin.version, best.plugin.version) > 0 ? each : best), found)
}

function answersTo(named: Named, name: string): boolean {
  return namesOf(named).includes(name) || shortNamesOf(named).includes(name)
}

/** @throws PLUGIN_NOT_FOUND when it cannot be loaded or exports no plugins */
export async function loadModule(module: string): Promise<readonly InstalledPlugin[]> {
  let exported: { readonly plugins?: unknown }
  try {
    exported = (await import(module)) as { readonly plugins?: unknown }
  } catch (cause) {
    throw new StreamError('PLUGIN_NOT_FOUND', `the plugin module ${module} cannot be loaded: ${describeError(cause)}`, { cause, details: { module } })
  }
  if (!Array.isArray(exported.plugins)) throw new StreamError('PLUGIN_NOT_FOUND', `the module ${module} exports no list named "plugins"`, { details: { module } })
  return (exported.plugins as readonly AnyPlugin[]).map((plugin) => ({ plugin, module }))
}

function find<T>(what: string, name: string, among: readonly T[], namedOf: (each: T) => Named, broken = ''): T {
  const exact = among.find((each) => namesOf(namedOf(each)).includes(name))
  if (exact !== undefined) return exact
  const short = among.filter((each) => shortNamesOf(namedOf(each)).includes(name))
  if (short.length === 1) return short[0]!
  const nearest = nearestName(name, among.flatMap((each) => [...namesOf(namedOf(each)), ...shortNamesOf(namedOf(each))]))
  const hint = nearest === undefined ? `; known: ${among.map((each) => shortNamesOf(namedOf(each))[0]).join(', ')}` : `; did you mean ${nearest}?`
  const reason = short.length > 1 ? `more than one ${what} answers to ${name}: ${short.map((each) => namedOf(each).class).join(', ')}` : `there is no ${what} ${name}${hint}${broken}`
  throw new StreamError('PLUGIN_NOT_FOUND', reason, { details: { name } })
}

function namesOf({ class: className, aliases = [] }: Named): readonly string[] {
  return [className, ...aliases]
}

function shortNamesOf(named: Named): readonly string[] {
  return namesOf(named).flatMap((name) => {
    const last = name.split('.').at(-1)!
    return [last, last.replace(/Connector$/, ''), last.replace(suffixes, '')]
  })
}
