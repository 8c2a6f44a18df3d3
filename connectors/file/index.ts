export * from './plugins.ts'
export type { FileSourceConfig } from './source-config.ts'
export type { FileSinkConfig } from './sink-config.ts'
export type { RollingFileSinkConfig } from './rolling/rolling-config.ts'
