import { groups } from './connect.ts'
import { describeConformance } from './describe-conformance.ts'

/** Conversations take longer: test/faults/connect-rest-recordings.test.ts. */
describeConformance('connect-random', Object.fromEntries(Object.entries(groups).filter(([name]) => name !== 'rest')))
