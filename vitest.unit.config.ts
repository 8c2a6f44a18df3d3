import { defineConfig, mergeConfig } from 'vitest/config'
import base from './vitest.config.ts'

/** What needs neither a service nor a registry, and no minutes, and runs code: once more on every supported Node. */
export default mergeConfig(base, defineConfig({
  test: {
    exclude: [
      'test/e2e/**', 'test/examples/**', 'test/conformance/**', 'test/cli/**', 'test/simulation/**', 'test/connectors/postgres/**', 'test/core/kafka/**',
      'test/kit/**', 'test/tidy.test.ts', 'test/types/**',
    ],
  },
}))
