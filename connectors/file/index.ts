export * from './plugins.ts'
export type { FileSourceConfig } from './source-config.ts'
