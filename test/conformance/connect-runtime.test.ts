import { describeConformance } from './describe-conformance.ts'
import { groups } from './connect-runtime.ts'

describeConformance('connect-runtime', groups)
