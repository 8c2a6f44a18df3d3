import { Secrets } from '../config-providers/secrets.ts'
import type { RawConfig } from '../config-spec.ts'

const ofConnections = /^(bootstrap\.servers$|(security|sasl|ssl)\.)/

/**
 * What a worker's config says about its connection to Kafka, under Kafka's names and with its secrets filled in; null where
 * it names no cluster. @throws INVALID_CONFIG for a secret that is not found
 */
export function clientProperties(worker: RawConfig): Readonly<Record<string, string>> | null {
  if ((worker['bootstrap.servers'] ?? '').trim() === '') return null
  const resolved = Secrets.from(worker).resolve(Object.fromEntries(Object.entries(worker).filter(([key]) => ofConnections.test(key))))
  return Object.fromEntries(Object.entries(resolved).flatMap(([key, value]) => (value === null ? [] : [[key, value]])))
}
