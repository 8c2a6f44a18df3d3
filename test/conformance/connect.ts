import type { ConformanceGroups } from './case-result.ts'
import { runConverters } from './connect-converters.ts'

export const groups: ConformanceGroups = {
  converters: runConverters,
}
