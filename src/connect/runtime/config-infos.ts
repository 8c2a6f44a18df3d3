/** Configs as upstream's REST API shows them to tools: definitions, values, complaints. */
import type { ConfigOption, ConfigSpec, OptionCheck, RawConfig } from '../config-spec.ts'
import { configText } from '../config-spec.ts'

/** What a key is; the members have upstream's names. */
export interface ConfigKeyInfo {
  readonly name: string
  readonly type: string
  readonly required: boolean
  readonly default_value: string | null
  readonly importance: string
  readonly documentation: string
  readonly group: string | null
  readonly order_in_group: number
  readonly width: string
  readonly display_name: string
  readonly dependents: readonly string[]
}

export interface ConfigValueInfo {
  readonly name: string
  readonly value: string | null
  readonly recommended_values: readonly string[]
  readonly errors: readonly string[]
  readonly visible: boolean
}

export interface ConfigInfo {
  /** null: nobody knows the key. */
  readonly definition: ConfigKeyInfo | null
  readonly value: ConfigValueInfo
}

/** Of a key that somebody knows. */
export interface KnownInfo extends ConfigInfo {
  readonly definition: ConfigKeyInfo
}

/** The answer of `config/validate`. */
export interface ConfigInfos {
  readonly name: string
  readonly error_count: number
  readonly groups: readonly string[]
  readonly configs: readonly ConfigInfo[]
}

/** What of a key depends on the worker or on the plugins that are installed. */
export interface KnownHere {
  readonly default?: string | null
  readonly value?: string | null
  readonly recommended?: readonly string[]
  readonly errors?: readonly string[]
  readonly visible?: boolean
}

export function keyInfo(name: string, { type, settings }: ConfigOption<unknown>): ConfigKeyInfo {
  return {
    name,
    type: type.toUpperCase(),
    required: settings.default === undefined,
    default_value: configText(settings.default ?? null),
    importance: (settings.importance ?? 'medium').toUpperCase(),
    documentation: settings.doc,
    group: settings.group ?? null,
    order_in_group: settings.order ?? -1,
    width: (settings.width ?? 'none').toUpperCase(),
    display_name: settings.displayName ?? name,
    dependents: settings.dependents ?? [],
  }
}

/** The keys of a spec, in its order. */
export function keyInfos(spec: Pick<ConfigSpec<unknown>, 'options'>): readonly ConfigKeyInfo[] {
  return Object.entries(spec.options).map(([name, option]) => keyInfo(name, option))
}

/** Every key of a spec with its value in the config. `known` has what the spec cannot know; `prefix` is what the keys are going to stand under. */
export function configInfos(spec: ConfigSpec<unknown>, raw: RawConfig, known: Readonly<Record<string, KnownHere>> = {}, prefix = ''): readonly KnownInfo[] {
  return spec.check(raw, prefix).map((check) => infoOf(spec.options[check.name]!, check, raw, known[check.name] ?? {}))
}

function infoOf(option: ConfigOption<unknown>, { name, text, errors }: OptionCheck, raw: RawConfig, known: KnownHere): KnownInfo {
  const definition = keyInfo(name, option)
  const recommended = known.recommended ?? option.settings.recommended?.(raw).map((each) => configText(each) ?? '') ?? []
  const isGiven = (raw[name] ?? null) !== null
  return {
    definition: known.default === undefined ? definition : { ...definition, default_value: known.default },
    value: {
      name,
      value: known.value !== undefined ? known.value : isGiven ? text : (known.default ?? text),
      recommended_values: recommended,
      errors: [...errors, ...(known.errors ?? [])],
      visible: known.visible ?? option.settings.visible?.(raw) ?? true,
    },
  }
}

/** Under a prefix, and in a group of their own where one is given, in the order they have here. */
export function under(prefix: string, infos: readonly KnownInfo[], group?: string): readonly KnownInfo[] {
  return infos.map(({ definition, value }, index) => ({
    definition: {
      ...definition, name: prefix + definition.name, dependents: definition.dependents.map((name) => prefix + name), ...(group !== undefined && { group, order_in_group: index }),
    },
    value: { ...value, name: prefix + value.name },
  }))
}

/** A key that nobody knows, with what is wrong with it. */
export function unknownInfo(name: string, value: string | null, errors: readonly string[]): ConfigInfo {
  return { definition: null, value: { name, value, recommended_values: [], errors, visible: true } }
}

/** In the order in which upstream draws a group: what is required first, then by importance, then by name. */
export function inOrder(infos: readonly KnownInfo[]): readonly KnownInfo[] {
  const rank = ({ definition }: KnownInfo) => `${definition.required ? 0 : 1}${['HIGH', 'MEDIUM', 'LOW'].indexOf(definition.importance)}${definition.name}`
  return infos.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1))
}

export function answerOf(name: string, configs: readonly ConfigInfo[]): ConfigInfos {
  const groups = new Set(configs.map(({ definition }) => definition?.group ?? null).filter((group) => group !== null))
  return { name, error_count: configs.reduce((sum, { value }) => sum + value.errors.length, 0), groups: [...groups], configs }
}

/** Every complaint, in order. */
export function errorsOf({ configs }: Pick<ConfigInfos, 'configs'>): readonly string[] {
  return configs.flatMap(({ value }) => value.errors)
}
