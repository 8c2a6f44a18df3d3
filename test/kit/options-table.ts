import type { ConfigSpec } from 'millrace/connect'

/** The table of options as a README shows it, from the spec that the program goes by. */
export function optionsTable(spec: Pick<ConfigSpec<unknown>, 'options'>): string {
  const rows = Object.entries(spec.options).map(([name, { type, settings }]) => {
    const { default: fallback, doc } = settings as { readonly default?: unknown; readonly doc?: string }
    return `| \`${name}\` | ${type} | ${defaultText(fallback)} | ${(doc ?? '').replaceAll('|', String.raw`\|`)} |`
  })
  return ['| option | type | default | meaning |', '|---|---|---|---|', ...rows].join('\n')
}

function defaultText(value: unknown): string {
  if (value === undefined) return '**required**'
  if (value === null) return 'none'
  if (Array.isArray(value)) return value.length === 0 ? 'empty' : `\`${value.join(',')}\``
  return `\`${String(value as string | number | boolean)}\``
}
