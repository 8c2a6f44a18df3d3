import { describeConformance } from './describe-conformance.ts'
import { groups } from './core.ts'

describeConformance('core', groups)
