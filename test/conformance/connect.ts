import type { ConformanceGroups } from './case-result.ts'
import { runConverters } from './connect-converters.ts'
import { runValues } from './connect-header-values.ts'
import { runTransforms } from './connect-transforms.ts'

export const groups: ConformanceGroups = {
  converters: runConverters,
  predicates: runTransforms,
  transforms: runTransforms,
  values: runValues,
}
