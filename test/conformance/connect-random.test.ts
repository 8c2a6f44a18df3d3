import { groups } from './connect.ts'
import { describeConformance } from './describe-conformance.ts'

describeConformance('connect-random', groups)
