import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

/** The long runs: processes that are killed, brokers that go away. MILLRACE_FAULT_ROUNDS says how many rounds each has. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/faults/**/*.test.ts'],
    exclude: ['node_modules/**'],
    // More than CI has processors: much of what runs here waits, for brokers that are away and for processes that are to die.
    maxWorkers: 3,
    testTimeout: 600_000,
    hookTimeout: 300_000,
  },
})
