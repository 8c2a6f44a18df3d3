import { defineConfig } from 'vitest/config'
import { longestFirst } from './test/kit/longest-first.ts'

/** Seconds that files took, roughly, of those that take long. */
const seconds = {
  'test/e2e/kafka-contract.test.ts': 44, 'test/examples/access-log.test.ts': 35, 'test/connectors/postgres/cdc-task.test.ts': 30, 'test/streams/threads/worker-thread.test.ts': 25,
  'test/core/kafka/kafka-broker.test.ts': 20, 'test/connectors/postgres/cdc/incremental-snapshot.test.ts': 18, 'test/connectors/postgres/sink/held-topics.test.ts': 17, 'test/simulation/log.test.ts': 16,
  'test/connectors/postgres/query-task.test.ts': 10, 'test/e2e/readme.test.ts': 10, 'test/core/port/port-broker.test.ts': 9, 'test/connectors/file/tail/file-tailer.test.ts': 9,
  'test/connect/runtime/thread-host.test.ts': 9, 'test/e2e/run-on-kafka.test.ts': 9, 'test/tidy.test.ts': 9, 'test/cli/main.test.ts': 8,
}

export default defineConfig({
  resolve: { conditions: ['millrace-source'] },
  ssr: { resolve: { conditions: ['millrace-source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/faults/**'],
    globalSetup: ['test/kit/global-setup.ts'],
    pool: 'forks',
    // Loading the sources once for each file took a third of the time. So a test file leaves nothing behind: no variable, timer or listener.
    isolate: false,
    maxWorkers: 2,
    sequence: { sequencer: longestFirst(seconds) },
    testTimeout: 30_000,
    hookTimeout: 120_000,
  },
})
