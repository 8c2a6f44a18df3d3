/** The corners of Kafka Connect's REST API, as recorded from its workers by tools/record-connect-rest.ts. */
import { groups } from '../conformance/connect.ts'
import { describeConformance } from '../conformance/describe-conformance.ts'

describeConformance('connect-random', Object.fromEntries(Object.entries(groups).filter(([name]) => name === 'rest')))
