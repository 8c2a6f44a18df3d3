/** JSON Schema (draft-07, which every editor knows) of connector files, from the same specs that check them. */
import { z } from 'zod'
import type { ConfigOption, ConfigSpec } from '../config-spec.ts'
import type { ConnectorPlugin } from '../connector.ts'
import type { PluginRegistry } from '../runtime/plugin-registry.ts'
import { baseSpec } from '../runtime/validate-connector.ts'

/** A JSON Schema; only what is needed of it. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** `${provider:path:key}` may stand wherever a value does. */
const placeholder = { type: 'string', pattern: String.raw`\$\{` }

/**
 * One schema for the files of all connectors that are installed, in both forms: flat, and `{"name", "config"}`. With `"$schema"` in a
 * file that names it, an editor completes keys and values, shows what they mean, and marks keys that nobody knows.
 */
export async function connectorFileSchema(registry: PluginRegistry): Promise<JsonSchema> {
  const connectors = (await registry.connectors()).map(({ plugin }) => plugin)
  const links = patternsOfLinks(registry)
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'A Millrace connector',
    type: 'object',
    ...when({ required: ['config'], properties: { config: { type: 'object' } } }, {
      properties: {
        $schema: { type: 'string' }, name: { type: 'string', minLength: 1 }, config: { $ref: '#/definitions/config' },
        initial_state: { enum: ['RUNNING', 'PAUSED', 'STOPPED'], description: 'What the connector does first.' },
      },
      required: ['name'],
      additionalProperties: false,
    }),
    else: { $ref: '#/definitions/config' },
    definitions: {
      config: {
        type: 'object',
        required: ['connector.class'],
        properties: { 'connector.class': { type: 'string', description: 'The connector.', anyOf: [{ enum: connectors.map((each) => each.class) }, { type: 'string' }] } },
        allOf: connectors.map((plugin) => when(
          { required: ['connector.class'], properties: { 'connector.class': { enum: namesOf(plugin) } } }, { $ref: `#/definitions/${plugin.class}` },
        )),
      },
      ...Object.fromEntries(connectors.map((plugin) => [plugin.class, schemaOfConnector(plugin, links)])),
    },
  }
}

/** JSON Schema's words for a condition; apart, so that nothing here looks like a promise. */
const words = { condition: 'if', consequence: 'then' } as const

function when(test: JsonSchema, consequence: JsonSchema): JsonSchema {
  return { [words.condition]: test, [words.consequence]: consequence }
}

function namesOf({ class: className, aliases = [] }: ConnectorPlugin): readonly string[] {
  return [...new Set([className, ...aliases, className.split('.').at(-1)!])]
}

function schemaOfConnector(plugin: ConnectorPlugin, links: Readonly<Record<string, JsonSchema>>): JsonSchema {
  const specs: readonly ConfigSpec<unknown>[] = [baseSpec(plugin), plugin.config]
  const options = specs.flatMap((spec) => Object.entries(spec.options))
  const required = options.filter(([name, { settings }]) => settings.default === undefined && name !== 'name').map(([name]) => name)
  const prefixes = specs.flatMap((spec) => spec.prefixes).filter((prefix) => !['transforms.', 'predicates.'].includes(prefix))
  return {
    description: plugin.doc ?? plugin.class,
    properties: { $schema: { type: 'string' }, ...Object.fromEntries(options.map(([name, each]) => [name, schemaOfOption(each)])), 'connector.class': {} },
    patternProperties: { ...links, ...Object.fromEntries(prefixes.map((prefix) => [`^${prefix.replaceAll('.', String.raw`\.`)}`, scalar])) },
    required: [...new Set(required)],
    additionalProperties: false,
  }
}

const scalar: JsonSchema = { type: ['string', 'number', 'boolean', 'null'] }

/** `transforms.<alias>.type` and what the transforms take, whatever the alias. */
function patternsOfLinks(registry: PluginRegistry): Readonly<Record<string, JsonSchema>> {
  const classes = (all: readonly { readonly class: string }[]) => ({ anyOf: [{ enum: all.map((each) => each.class) }, { type: 'string' }] })
  return {
    [String.raw`^transforms\.[^.]+\.type$`]: { description: 'Class of the transform.', ...classes(registry.transforms()) },
    [String.raw`^predicates\.[^.]+\.type$`]: { description: 'Class of the predicate.', ...classes(registry.predicates()) },
    [String.raw`^(transforms|predicates)\.[^.]+\.`]: scalar,
  }
}

/** Numbers and booleans may be written as text, too, as the worker takes them. */
function schemaOfOption({ type, settings }: ConfigOption<unknown>): JsonSchema {
  const { doc, default: fallback } = settings
  return {
    description: doc,
    ...(fallback !== undefined && fallback !== null && { default: Array.isArray(fallback) ? fallback.join(',') : fallback }),
    anyOf: [...valuesOf(type, settings), placeholder, ...(fallback === null ? [{ type: 'null' }] : [])],
  }
}

function valuesOf(type: ConfigOption<unknown>['type'], { check, recommended }: ConfigOption<unknown>['settings']): readonly JsonSchema[] {
  if (type === 'boolean') return [{ type: 'boolean' }, { enum: ['true', 'false'] }]
  if (type === 'double') return [{ type: 'number', ...boundsOf(check) }, { type: 'string', pattern: String.raw`^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$` }]
  if (type === 'int' || type === 'short' || type === 'long') return [{ type: 'integer', ...boundsOf(check) }, { type: 'string', pattern: String.raw`^\s*[+-]?\d+\s*$` }]
  const offered = recommended?.({}) ?? []
  return [...(offered.length > 0 ? [{ enum: offered }] : []), { type: 'string' }]
}

/** `z.number().min(1)` says so in JSON Schema, too. */
function boundsOf(check: z.ZodType | undefined): JsonSchema {
  if (check === undefined) return {}
  const { minimum, maximum } = z.toJSONSchema(check, { unrepresentable: 'any' })
  return { ...(minimum !== undefined && { minimum }), ...(maximum !== undefined && { maximum }) }
}
