/**
 * What a connector, converter or transform can be configured with: one zod schema an option, with the documentation beside
 * it. Validation, the REST API's `validate` answer, JSON Schema and the tables of the documentation all come from it.
 * Configs are flat maps of text, as in Kafka Connect; numbers and booleans of a JSON file are turned into text first.
 */
import { z } from 'zod'
import { configError } from './errors.ts'
import { nearestName } from '../core/index.ts'

/** A config as written. */
export type RawConfig = Readonly<Record<string, string | null>>

/** Kafka's names of the types, in lower case. */
export type ConfigType = 'boolean' | 'string' | 'int' | 'short' | 'long' | 'double' | 'list' | 'class' | 'password'
export type Importance = 'high' | 'medium' | 'low'
export type ConfigWidth = 'none' | 'short' | 'medium' | 'long'

/** How an option looks to people and to tools; all of upstream's ConfigDef.ConfigKey. */
export interface OptionSettings<T> {
  /** What it does, its unit, what null or empty means, the hazard. */
  readonly doc: string
  /** Absent: the option is required. null: it may be left out, and is null then. */
  readonly default?: T | null
  /** Default medium. */
  readonly importance?: Importance
  /** A further rule on the parsed value, such as `z.number().min(1)`; its message is shown. */
  readonly check?: z.ZodType
  /**
   * A further rule whose complaint is a whole sentence. As upstream's validators it is asked about null, too, where a value is missing that is required,
   * or null is written; `name` is without the prefix under which the option may stand.
   */
  readonly rule?: (value: T | null, name: string) => string | null
  readonly group?: string
  /** Place inside the group, for tools that draw forms. */
  readonly order?: number
  readonly displayName?: string
  readonly width?: ConfigWidth
  /** Options whose meaning depends on this one. */
  readonly dependents?: readonly string[]
  /** Values to offer, given the rest of the config. */
  readonly recommended?: (config: RawConfig) => readonly T[]
  /** False hides it in tools. Default always. */
  readonly visible?: (config: RawConfig) => boolean
  /** For `oneOf`: the words are told apart by case, too. */
  readonly exactCase?: boolean
  /** For `oneOf`: how a complaint lists the words. Default as they are given. */
  readonly listedAs?: string
}

export interface ConfigOption<T> {
  readonly type: ConfigType
  /** Text (or a value of the right type already) to value. */
  readonly schema: z.ZodType<T>
  readonly settings: OptionSettings<unknown>
}

/** A secret. It shows itself as `[hidden]` wherever it is printed; `reveal()` gives the text. */
export class Password {
  readonly #text: string
  constructor(text: string) {
    this.#text = text
  }
  reveal(): string {
    return this.#text
  }
  toString(): string {
    return '[hidden]'
  }
  toJSON(): string {
    return '[hidden]'
  }
}

const limits = { int: [-(2 ** 31), 2 ** 31 - 1], short: [-(2 ** 15), 2 ** 15 - 1], long: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] } as const

function integer(type: keyof typeof limits) {
  const [min, max] = limits[type]
  return parsed(`Not a number of type ${type.toUpperCase()}`, (text) => {
    const value = /^[+-]?\d{1,19}$/.test(text) ? Number(text) : Number.NaN
    return value >= min && value <= max ? value : undefined
  })
}

const asText = z.preprocess((value) => (typeof value === 'number' || typeof value === 'boolean' ? String(value) : value), z.string())

function parsed<T>(complaint: string, read: (trimmed: string) => T | undefined): z.ZodType<T> {
  return asText.transform((text, context) => {
    const value = read(text.trim())
    if (value !== undefined) return value
    context.addIssue({ code: 'custom', message: complaint })
    return z.NEVER
  })
}

const schemas = {
  string: asText.transform((text) => text.trim()),
  int: integer('int'),
  short: integer('short'),
  long: integer('long'),
  double: parsed('Not a number of type DOUBLE', (text) => (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : undefined)),
  boolean: parsed('Expected value to be either true or false', (text) => ({ true: true, false: false })[text.toLowerCase()]),
  list: asText.transform((text): readonly string[] => (text.trim() === '' ? [] : text.trim().split(/\s*,\s*/))),
  password: asText.transform((text) => new Password(text)),
}

/** Options with `default: null` may be left out, and are null then. */
type OrNull<T, S> = S extends { readonly default: null } ? T | null : T

function maker<T>(type: ConfigType, schema: z.ZodType<T>) {
  return <const S extends OptionSettings<T>>(settings: S): ConfigOption<OrNull<T, S>> => makeOption(type, schema, settings)
}

/** The one place where the type of the option is said to include the null of its default. */
function makeOption<T, S extends OptionSettings<T>>(type: ConfigType, schema: z.ZodType<T>, settings: S): ConfigOption<OrNull<T, S>> {
  return Object.freeze({ type, schema: schema as z.ZodType<OrNull<T, S>>, settings: settings as OptionSettings<unknown> })
}

/** Makes options: `option.int({ doc: 'Records per poll.', default: 2000, check: z.number().min(1) })`. */
export const option = {
  string: maker('string', schemas.string),
  int: maker('int', schemas.int),
  short: maker('short', schemas.short),
  long: maker('long', schemas.long),
  double: maker('double', schemas.double),
  boolean: maker('boolean', schemas.boolean),
  /** Names separated by commas. */
  list: maker('list', schemas.list),
  /** The name of a plugin. */
  class: maker('class', schemas.string),
  password: maker('password', schemas.password),
  /** One of the words given, in any case; the parsed value is the word as given here. */
  oneOf<const W extends string, const S extends OptionSettings<W>>(words: readonly W[], settings: S & OptionSettings<W>): ConfigOption<OrNull<W, S>> {
    const isExact = settings.exactCase === true
    const complaint = `String must be one of${isExact ? '' : ' (case insensitive)'}: ${settings.listedAs ?? words.join(', ')}`
    const schema = parsed(complaint, (text) => words.find((word) => word === text || (!isExact && word.toLowerCase() === text.toLowerCase())))
    return makeOption<W, S>('string', schema, { recommended: () => words, ...settings })
  },
  /** Any zod schema that reads text: `option.custom('string', z.string().transform(readDuration), { … })`. */
  custom<T, const S extends OptionSettings<T>>(type: ConfigType, schema: z.ZodType<T, string>, settings: S & OptionSettings<T>): ConfigOption<OrNull<T, S>> {
    return makeOption<T, S>(type, asText.pipe(schema), settings)
  },
} as const

export type ConfigOptions = Readonly<Record<string, ConfigOption<unknown>>>

/** The parsed config of a spec: `ConfigOf<typeof spec>`. */
export type ConfigOf<S> = S extends ConfigSpec<infer C> ? C : never

type Parsed<O extends ConfigOptions> = { readonly [K in keyof O]: O[K] extends ConfigOption<infer T> ? T : never }

/** The state of one option after validation: parsed value or the complaints. */
export interface OptionCheck {
  readonly name: string
  /** As text, the default when absent, null when it could not be read; passwords hidden. */
  readonly text: string | null
  readonly value: unknown
  readonly errors: readonly string[]
}

export interface ConfigSpec<C> {
  readonly options: ConfigOptions
  /** Keys that begin so are let through unread, such as `topic.creation.`; read them from the raw config. */
  readonly prefixes: readonly string[]
  /** Every option with its value and its errors; never throws. Unknown keys are `unknownKeys`' business. `prefix` is what its names stand under, for complaints. */
  check(raw: RawConfig, prefix?: string): readonly OptionCheck[]
  /** Values with defaults filled in. Unknown keys are left out. @throws INVALID_CONFIG with every complaint */
  parse(raw: RawConfig): C
}

export interface ConfigSpecSettings<C> {
  readonly prefixes?: readonly string[]
  /** Rules over several options, run when each by itself is right: option name → complaint. */
  readonly rules?: (config: C) => Readonly<Record<string, string>>
  /** Rules over several options as they are written, which are always run: option name → complaints. */
  readonly writtenRules?: (raw: RawConfig) => Readonly<Record<string, readonly string[]>>
}

/** `const spec = configSpec({ file: option.string({ doc: 'The file to read.' }) })` */
export function configSpec<const O extends ConfigOptions>(options: O, settings: ConfigSpecSettings<Parsed<O>> = {}): ConfigSpec<Parsed<O>> & { readonly options: O } {
  const check = (raw: RawConfig, prefix = ''): readonly OptionCheck[] => {
    const complaintsOf = settings.writtenRules?.(raw) ?? {}
    const alone = Object.entries(options).map(([name, each]) => withComplaints(checkOption(name, each, raw, prefix), complaintsOf[name] ?? []))
    if (settings.rules === undefined || alone.some(({ errors }) => errors.length > 0)) return alone
    const complaints = settings.rules(collect(alone) as Parsed<O>)
    return alone.map((each) => (Object.hasOwn(complaints, each.name) ? { ...each, errors: [complaints[each.name]!] } : each))
  }
  return Object.freeze({
    options,
    prefixes: settings.prefixes ?? [],
    check,
    parse(raw: RawConfig) {
      const checks = check(raw)
      const complaints = checks.flatMap(({ errors }) => errors)
      if (complaints.length > 0) throw configError(complaints.join('\n'), { details: { key: checks.find(({ errors }) => errors.length > 0)?.name } })
      return collect(checks) as Parsed<O>
    },
  })
}

/** One sentence for each key that no spec knows, with the nearest that is known or, when none is near, the keys of the last spec, which is the most special. */
export function unknownKeys(raw: RawConfig, specs: readonly Pick<ConfigSpec<unknown>, 'options' | 'prefixes'>[]): ReadonlyMap<string, string> {
  const known = new Set(specs.flatMap((spec) => Object.keys(spec.options)))
  const prefixes = specs.flatMap((spec) => spec.prefixes)
  const complaints = new Map<string, string>()
  for (const key of Object.keys(raw)) {
    if (known.has(key) || prefixes.some((prefix) => key.startsWith(prefix))) continue
    const nearest = nearestName(key, known)
    const special = Object.keys(specs.at(-1)?.options ?? {})
    const hint = nearest !== undefined ? `; did you mean "${nearest}"?` : special.length > 0 ? `; known here: ${special.join(', ')}` : '.'
    complaints.set(key, `Unknown configuration "${key}"${hint}`)
  }
  return complaints
}

function collect(checks: readonly OptionCheck[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(checks.map(({ name, value }) => [name, value]))
}

function withComplaints(check: OptionCheck, complaints: readonly string[]): OptionCheck {
  return complaints.length === 0 ? check : { ...check, errors: [...check.errors, ...complaints] }
}

function checkOption(name: string, { schema, settings, type }: ConfigOption<unknown>, raw: RawConfig, prefix: string): OptionCheck {
  const isWritten = Object.hasOwn(raw, name)
  const written = isWritten ? raw[name]! : null
  const complaintOf = (value: unknown) => settings.rule?.(value, name) ?? []
  if (written === null) {
    const missing = settings.default === undefined ? [`Missing required configuration "${prefix}${name}" which has no default value.`] : []
    const isAsked = isWritten || settings.default === undefined
    return { name, text: isWritten ? null : configText(settings.default ?? null), value: settings.default ?? null, errors: missing.concat(isAsked ? complaintOf(null) : []) }
  }
  const text = type === 'password' ? '[hidden]' : written
  const result = schema.safeParse(written)
  const complaints = result.success ? checkRule(settings.check, result.data) : result.error.issues.map((issue) => issue.message)
  const shown = result.success && type !== 'password' ? shownValue(result.data) : text
  // as upstream, what cannot be read at all is told with the whole name
  const told = result.success || texts.includes(type) ? name : prefix + name
  const errors = complaints.map((complaint) => `Invalid value ${shown} for configuration ${told}: ${complaint}`)
  if (!result.success && settings.check !== undefined && numeric.includes(type)) errors.push(`Invalid value null for configuration ${name}: Value must be non-null`)
  return { name, text: checkedText(type, text, result), value: result.data ?? null, errors: result.success ? errors.concat(complaintOf(result.data)) : errors }
}

/** Types of which every text is one. */
const texts: readonly ConfigType[] = ['string', 'list', 'class', 'password']

/** Types of which upstream checks the range even of what it could not read. */
const numeric: readonly ConfigType[] = ['int', 'short', 'long', 'double']

/** As upstream shows it: what was read rather than what was written, and null for what is no number. */
function checkedText(type: ConfigType, text: string, result: { readonly success: boolean; readonly data?: unknown }): string | null {
  if (type === 'string') return text.trim()
  if (result.success) return type === 'password' ? text : configText(result.data)
  return type === 'list' || type === 'password' ? text : null
}

/** As upstream shows a value that was parsed and then refused. */
function shownValue(value: unknown): string {
  return Array.isArray(value) ? `[${value.join(', ')}]` : (configText(value) ?? 'null')
}

function checkRule(rule: z.ZodType | undefined, value: unknown): readonly string[] {
  const result = rule?.safeParse(value)
  return result === undefined || result.success ? [] : result.error.issues.map((issue) => issue.message)
}

/** A value as it would be written. */
export function configText(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (Array.isArray(value)) return value.join(',')
  return value instanceof Password ? value.toString() : typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean)
}
