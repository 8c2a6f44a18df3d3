/** docs/reference/connect.md is made from the specs that the worker goes by; `npx vitest run test/e2e/connect-reference.test.ts -u` writes it anew. */
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { PluginRegistry } from '../../src/connect/index.ts'
import type { ConfigSpec } from '../../src/connect/index.ts'
import { sinkConfig, sourceConfig } from '../../src/connect/runtime/connector-config.ts'
import { linkConfig, predicateLinkConfig } from '../../src/connect/runtime/transform-chain.ts'
import { workerConfig } from '../../src/connect/runtime/worker-config.ts'
import { optionsTable } from '../kit/options-table.ts'

const path = fileURLToPath(new URL('../../docs/reference/connect.md', import.meta.url))

type Documented = { readonly class: string; readonly config: ConfigSpec<unknown> }

const table = (spec: ConfigSpec<unknown>) => (Object.keys(spec.options).length === 0 ? 'No options.' : optionsTable(spec))

/** One table for what has the same options, such as `$Key` and `$Value`. */
function tables(all: readonly Documented[]): string {
  const texts = new Set(all.map(({ config }) => table(config)))
  return [...texts].map((text) => [text, all.filter(({ config }) => table(config) === text)] as const).map(([text, members]) => `### ${members.map((each) => `\`${each.class}\``).join(', ')}\n\n${text}`).join('\n\n')
}

it('the reference of Connect has every option of the worker, of connectors, converters, transforms and predicates', async () => {
  const registry = new PluginRegistry()
  const sections = [
    '# Connect: every option',
    'Generated from the specs that check configurations. The options of connectors stand in their own files: [files](../../connectors/file/README.md), [PostgreSQL](../../connectors/postgres/README.md). [The guide](../guide/connect.md) says how it all fits together.',
    '## Worker', table(workerConfig),
    '## Source connectors', 'In the config of every source connector.', table(sourceConfig),
    '## Sink connectors', 'In the config of every sink connector.', table(sinkConfig),
    '## Converters', 'After `key.converter.`, `value.converter.` or `header.converter.`, of the worker or of a connector.', tables(registry.converters()),
    '## Transforms', 'After `transforms.<alias>.`; these belong to the place in the chain:', table(linkConfig), tables(registry.transforms()),
    '## Predicates', 'After `predicates.<alias>.`:', table(predicateLinkConfig), tables(registry.predicates()),
  ]
  await expect(`${sections.join('\n\n')}\n`).toMatchFileSnapshot(path)
})
