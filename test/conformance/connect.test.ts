import { describeConformance } from './describe-conformance.ts'
import { groups } from './connect.ts'

describeConformance('connect', groups)
