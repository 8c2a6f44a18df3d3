import { defineConfig, mergeConfig } from 'vitest/config'
import base from './vitest.config.ts'

/** What needs neither a service nor a registry: run again on every supported Node. */
export default mergeConfig(base, defineConfig({
  test: { exclude: ['test/e2e/**', 'test/connectors/postgres/**', 'test/core/kafka/**', 'test/kit/**', 'test/tidy.test.ts'] },
}))
