import { groups } from './core-engine.ts'
import { describeConformance } from './describe-conformance.ts'

describeConformance('core', groups)
