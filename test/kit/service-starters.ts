/** Every real service by name: how it is found or started, and what a test gets to know about it. */
import { findOrStartPostgres } from './postgres.ts'
import type { PostgresAddress } from './postgres.ts'
import type { StartService } from './shared-services.ts'

export interface ServiceAddresses {
  readonly postgres: PostgresAddress
}

export const serviceStarters: { readonly [Name in keyof ServiceAddresses]: StartService<ServiceAddresses[Name]> } = {
  postgres: findOrStartPostgres,
}
