export type { PostgresCdcConfig } from './cdc-config.ts'
export * from './plugins.ts'
export type { PostgresQueryConfig } from './query-config.ts'
export type { PostgresSinkConfig } from './sink-config.ts'
