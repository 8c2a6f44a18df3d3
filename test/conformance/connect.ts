import type { ConformanceGroups } from './case-result.ts'
import { runConverters } from './connect-converters.ts'
import { runValues } from './connect-header-values.ts'

export const groups: ConformanceGroups = {
  converters: runConverters,
  values: runValues,
}
