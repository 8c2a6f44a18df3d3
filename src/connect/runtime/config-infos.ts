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
  readonly definition: ConfigKeyInfo
  readonly value: ConfigValueInfo
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

/** Every key of a spec with its value in the config. `known` has what the spec cannot know. */
export function configInfos(spec: ConfigSpec<unknown>, raw: RawConfig, known: Readonly<Record<string, KnownHere>> = {}): readonly ConfigInfo[] {
  return spec.check(raw).map((check) => infoOf(spec.options[check.name]!, check, raw, known[check.name] ?? {}))
}

function infoOf(option: ConfigOption<unknown>, { name, text, errors }: OptionCheck, raw: RawConfig, known: KnownHere): ConfigInfo {
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
      visible: option.settings.visible?.(raw) ?? true,
    },
  }
}

/** Under a prefix, and in a group of their own where one is given, in the order they have here. */
export function under(prefix: string, infos: readonly ConfigInfo[], group?: string): readonly ConfigInfo[] {
  return infos.map(({ definition, value }, index) => ({
    definition: {
      ...definition, name: prefix + definition.name, dependents: definition.dependents.map((name) => prefix + name), ...(group !== undefined && { group, order_in_group: index }),
    },
    value: { ...value, name: prefix + value.name, errors: value.errors.map((each) => withPrefix(each, value.name, prefix)) },
  }))
}

/** A complaint that names the whole key. */
export function withPrefix(complaint: string, name: string, prefix: string): string {
  return complaint.replace(`configuration ${name}`, `configuration ${prefix}${name}`).replace(`configuration "${name}"`, `configuration "${prefix}${name}"`)
}

export function answerOf(name: string, configs: readonly ConfigInfo[]): ConfigInfos {
  const groups = new Set(configs.map(({ definition }) => definition.group).filter((group) => group !== null))
  return { name, error_count: configs.reduce((sum, { value }) => sum + value.errors.length, 0), groups: [...groups], configs }
}

/** Every complaint, in order. */
export function errorsOf({ configs }: Pick<ConfigInfos, 'configs'>): readonly string[] {
  return configs.flatMap(({ value }) => value.errors)
}
