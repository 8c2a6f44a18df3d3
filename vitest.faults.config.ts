import { defineConfig } from 'vitest/config'
import { longestFirst } from './test/kit/longest-first.ts'
import base from './vitest.config.ts'

/** Seconds that files took, roughly, three at a time, of those that take long. */
const seconds = {
  'test/faults/kafka-cluster.test.ts': 170, 'test/faults/killed-log.test.ts': 150, 'test/faults/killed-topologies.test.ts': 140, 'test/faults/kafka-streams.test.ts': 76,
  'test/faults/three-brokers.test.ts': 85, 'test/faults/connect-cluster-on-kafka.test.ts': 49, 'test/faults/killed-producer.test.ts': 48, 'test/faults/run-examples.test.ts': 43,
  'test/faults/kafka-lost-requests.test.ts': 36, 'test/faults/log-disk-errors.test.ts': 33, 'test/faults/log-under-load.test.ts': 30,
  'test/faults/killed-run.test.ts': 27, 'test/faults/kafka-killed-run.test.ts': 26, 'test/faults/postgres-replica.test.ts': 25, 'test/faults/killed-connect.test.ts': 24, 'test/faults/killed-files.test.ts': 23,
  'test/faults/postgres-connector-suite.test.ts': 20, 'test/faults/connect-postgres-away.test.ts': 18, 'test/faults/kafka-tools.test.ts': 17, 'test/faults/log-fuzz.test.ts': 17, 'test/faults/kafka-memory.test.ts': 16,
  'test/faults/queries-on-kafka.test.ts': 16, 'test/faults/connect-rest-recordings.test.ts': 13, 'test/faults/postgres-cut-snapshot.test.ts': 10, 'test/faults/killed-stores.test.ts': 15,
}

/** The long runs: processes that are killed, brokers that go away. MILLRACE_FAULT_ROUNDS says how many rounds each has. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/faults/**/*.test.ts'],
    exclude: ['node_modules/**'],
    maxWorkers: 3,
    sequence: { sequencer: longestFirst(seconds) },
    testTimeout: 600_000,
    hookTimeout: 300_000,
  },
})
