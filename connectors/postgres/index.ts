export * from './plugins.ts'
export type { PostgresSinkConfig } from './sink-config.ts'
