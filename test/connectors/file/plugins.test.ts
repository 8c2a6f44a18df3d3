import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { rollingFileSinkConfig } from '../../../connectors/file/rolling/rolling-config.ts'
import { fileSinkConfig } from '../../../connectors/file/sink-config.ts'
import { fileSourceConfig } from '../../../connectors/file/source-config.ts'
import { optionsTable } from '../../kit/options-table.ts'

it('has a README that shows every option as it is', () => {
  const readme = readFileSync(new URL('../../../connectors/file/README.md', import.meta.url), 'utf8')
  expect(readme).toContain(optionsTable(fileSourceConfig))
  expect(readme).toContain(optionsTable(fileSinkConfig))
  expect(readme).toContain(optionsTable(rollingFileSinkConfig))
})
