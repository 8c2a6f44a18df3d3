import { defineConfig } from 'vitest/config'
import { longestFirst } from './test/kit/longest-first.ts'
import base from './vitest.config.ts'

/** Seconds that files took, roughly, of those that take long. */
const seconds = {
  'test/faults/kafka-cluster.test.ts': 140, 'test/faults/killed-log.test.ts': 70, 'test/faults/killed-topologies.test.ts': 60, 'test/faults/log-under-load.test.ts': 60,
  'test/faults/kafka-streams.test.ts': 60, 'test/faults/killed-producer.test.ts': 45, 'test/faults/connect-cluster-on-kafka.test.ts': 40, 'test/faults/kafka-lost-requests.test.ts': 37,
  'test/faults/kafka-killed-run.test.ts': 30, 'test/faults/run-examples.test.ts': 30, 'test/faults/killed-run.test.ts': 30, 'test/faults/postgres-replica.test.ts': 30,
  'test/faults/kafka-guide.test.ts': 28, 'test/faults/log-fuzz.test.ts': 25, 'test/faults/queries-on-kafka.test.ts': 20, 'test/faults/stores-larger-than-memory.test.ts': 20,
  'test/faults/killed-connect.test.ts': 17, 'test/faults/connect-takeover-on-kafka.test.ts': 16, 'test/faults/killed-files.test.ts': 15, 'test/faults/log-disk-errors.test.ts': 14,
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
