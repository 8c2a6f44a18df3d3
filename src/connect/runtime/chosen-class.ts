import type { ConfigSpec } from '../config-spec.ts'
import type { KnownHere } from './config-infos.ts'
import type { PluginRegistry } from './plugin-registry.ts'
import { versionRange } from './version-range.ts'

/** What a config can name by its class. */
export interface NamedPlugin {
  readonly class: string
  readonly version: string
  readonly config: ConfigSpec<unknown>
}

/** Transforms, predicates, converters of keys and values, converters of headers. */
export interface PluginKind {
  /** Upstream's name of the interface. */
  readonly interface: string
  readonly all: () => readonly NamedPlugin[]
  /** @throws PLUGIN_NOT_FOUND */
  readonly find: (name: string) => NamedPlugin
}

export type PluginKinds = Readonly<Record<'transforms' | 'predicates' | 'converters' | 'headerConverters', PluginKind>>

export function kindsOf(registry: PluginRegistry): PluginKinds {
  return {
    transforms: { interface: 'Transformation', all: () => registry.transforms(), find: (name) => registry.transform(name) },
    predicates: { interface: 'Predicate', all: () => registry.predicates(), find: (name) => registry.predicate(name) },
    converters: { interface: 'Converter', all: () => registry.converters(), find: (name) => registry.converter(name) },
    headerConverters: { interface: 'HeaderConverter', all: () => registry.headerConverters(), find: (name) => registry.headerConverter(name) },
  }
}

/** A class that a config names, with what tools are told of its key and of the key of its version. */
export interface ChosenClass {
  /** undefined: none that can be used. */
  readonly plugin: NamedPlugin | undefined
  readonly known: KnownHere
  readonly version: KnownHere
}

export interface ClassChoice {
  readonly key: string
  readonly name: string
  /** A range of versions; null: any. */
  readonly version: string | null
  readonly kind: keyof PluginKinds
}

/** Upstream's sentences about what cannot be used. */
export function chosenClass({ key, name, version, kind }: ClassChoice, registry: PluginRegistry): ChosenClass {
  const kinds = kindsOf(registry)
  const plugin = found(name, kinds[kind])
  if (plugin === undefined) return { plugin, ...unusable(key, name, kinds, kind) }
  const here: KnownHere = { default: plugin.version, recommended: [plugin.version] }
  const complaint = versionComplaint(plugin.class, version, [plugin.version])
  if (complaint === null) return { plugin, known: { value: plugin.class }, version: here }
  return { plugin: undefined, known: { value: plugin.class, errors: [complaint] }, version: { ...here, errors: [complaint] } }
}

/** null: one of the versions is in the range. */
export function versionComplaint(className: string, wanted: string | null, available: readonly string[]): string | null {
  const range = versionRange(wanted)
  if (range === null || available.some((each) => range.includes(each))) return null
  return `Plugin ${className} not found that matches the version range ${range.text}, available versions: [${available.join(', ')}]`
}

function found(name: string, kind: PluginKind): NamedPlugin | undefined {
  try {
    return kind.find(name.trim())
  } catch {
    return undefined
  }
}

function unusable(key: string, name: string, kinds: PluginKinds, kind: keyof PluginKinds): Pick<ChosenClass, 'known' | 'version'> {
  const version: KnownHere = { default: null, recommended: [] }
  const sides = kinds[kind].all().map((each) => each.class).filter((each) => each.startsWith(`${name}$`)).toSorted()
  if (sides.length > 0) return { version, known: { value: name, errors: [`This class is abstract and cannot be created. Did you mean ${sides.join(', ')}?`] } }
  const isOfOtherKind = Object.values(kinds).some(({ all }) => all().some((each) => each.class === name))
  if (isOfOtherKind) return { version, known: { value: name, errors: [`Class class ${name} does not implement the ${kinds[kind].interface} interface`] } }
  return { version, known: { value: null, errors: [`Invalid value ${name} for configuration ${key}: Class ${name} could not be found.`] } }
}
