import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { postgresCdcConfig } from '../../../connectors/postgres/cdc-config.ts'
import { postgresQueryConfig } from '../../../connectors/postgres/query-config.ts'
import { postgresSinkConfig } from '../../../connectors/postgres/sink-config.ts'
import { optionsTable } from '../../kit/options-table.ts'

it('has a README that shows every option as it is', () => {
  const readme = readFileSync(new URL('../../../connectors/postgres/README.md', import.meta.url), 'utf8')
  expect(readme).toContain(optionsTable(postgresSinkConfig))
  expect(readme).toContain(optionsTable(postgresCdcConfig))
  expect(readme).toContain(optionsTable(postgresQueryConfig))
})
