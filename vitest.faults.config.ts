import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

/** The long runs: processes that are killed, brokers that go away. MILLRACE_FAULT_ROUNDS says how many rounds each has. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/faults/**/*.test.ts'],
    exclude: ['node_modules/**'],
    maxWorkers: 2,
    testTimeout: 600_000,
    hookTimeout: 300_000,
  },
})
