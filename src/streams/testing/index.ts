export { TestInputTopic, TestOutputTopic } from './test-topics.ts'
export type { TestInput, TestOutput } from './test-topics.ts'
export { TopologyTestDriver } from './topology-test-driver.ts'
export type { TestDriverOptions } from './topology-test-driver.ts'
