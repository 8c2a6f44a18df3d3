/** Every real service by name: how it is found or started, and what a test gets to know about it. */
import { findOrStartKafka } from './kafka.ts'
import type { KafkaAddress } from './kafka.ts'
import { findOrStartPostgres } from './postgres.ts'
import type { PostgresAddress } from './postgres.ts'
import type { StartService } from './shared-services.ts'

export interface ServiceAddresses {
  /** One broker; topics and groups under names of one's own (`freshName`). */
  readonly kafka: KafkaAddress
  readonly postgres: PostgresAddress
}

export const serviceStarters: { readonly [Name in keyof ServiceAddresses]: StartService<ServiceAddresses[Name]> } = {
  kafka: findOrStartKafka,
  postgres: findOrStartPostgres,
}
