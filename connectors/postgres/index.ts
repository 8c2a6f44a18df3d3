export type { PostgresCdcConfig } from './cdc-config.ts'
export * from './plugins.ts'
export type { PostgresSinkConfig } from './sink-config.ts'
