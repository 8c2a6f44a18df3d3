import { z } from 'zod'
import { configSpec, option } from '../config-spec.ts'
import type { ConfigOf } from '../config-spec.ts'

const topicName = 'io.confluent.kafka.serializers.subject.TopicNameStrategy'
const strategies = [topicName, 'io.confluent.kafka.serializers.subject.RecordNameStrategy', 'io.confluent.kafka.serializers.subject.TopicRecordNameStrategy'] as const

/** What every converter with a schema registry takes, under Confluent's names. */
export const registryOptions = {
  'converter.type': option.string({ doc: 'Whether it converts keys or values; set by the worker.', importance: 'low' }),
  'schema.registry.url': option.list({ doc: 'Addresses of the schema registry, http or https; the next one is asked when one is away.', importance: 'high', check: z.array(z.url({ protocol: /^https?$/, error: 'not an http or https address' })).min(1, 'an address is needed') }),
  'auto.register.schemas': option.boolean({ doc: 'Register schemas that the registry does not know. false: records with such schemas fail.', default: true }),
  'use.latest.version': option.boolean({ doc: 'Write with the latest schema of the subject instead of the record\'s own; needs auto.register.schemas=false.', default: false, importance: 'low' }),
  'normalize.schemas': option.boolean({ doc: 'Let the registry bring schemas into their normal form before it compares them.', default: false }),
  'key.subject.name.strategy': option.class({ doc: `Under which subject schemas of keys are registered: ${strategies.map((each) => each.split('.').at(-1)).join(', ')}.`, default: topicName }),
  'value.subject.name.strategy': option.class({ doc: 'The same for values.', default: topicName }),
  'basic.auth.credentials.source': option.oneOf(['URL', 'USER_INFO'], { doc: 'Where user and password stand: in the address, or in basic.auth.user.info.', default: 'URL' }),
  'basic.auth.user.info': option.password({ doc: 'user:password, with basic.auth.credentials.source=USER_INFO.', default: null }),
  'bearer.auth.token': option.password({ doc: 'A token that is sent with each request.', default: null }),
  'schema.registry.request.timeout.ms': option.int({ doc: 'How long an answer of the registry is waited for.', default: 10_000, importance: 'low', check: z.number().min(1, 'Value must be at least 1') }),
  'schemas.cache.size': option.int({ doc: 'Schemas that are kept ready for writing and reading.', default: 1000, importance: 'low', check: z.number().min(1, 'Value must be at least 1') }),
} as const

const registryConfig = configSpec(registryOptions)
export type RegistryConfig = ConfigOf<typeof registryConfig>

/** @returns complaints of combinations that make no sense */
export function registryRules(config: RegistryConfig): Readonly<Record<string, string>> {
  const wrongStrategy = (['key.subject.name.strategy', 'value.subject.name.strategy'] as const).filter((key) => strategyOf(config[key]) === undefined)
  return {
    ...(config['use.latest.version'] && config['auto.register.schemas'] && { 'use.latest.version': 'use.latest.version=true needs auto.register.schemas=false: a schema is either registered or taken from the registry' }),
    ...(config['basic.auth.credentials.source'] === 'USER_INFO' && config['basic.auth.user.info'] === null && { 'basic.auth.user.info': 'Missing required configuration "basic.auth.user.info": basic.auth.credentials.source=USER_INFO needs it' }),
    ...Object.fromEntries(wrongStrategy.map((key) => [key, `Invalid value ${config[key]} for configuration ${key}: must be one of ${strategies.join(', ')}`])),
  }
}

type Strategy = 'topic' | 'record' | 'topic-record'

function strategyOf(name: string): Strategy | undefined {
  const index = strategies.findIndex((each) => each === name || each.split('.').at(-1) === name)
  return (['topic', 'record', 'topic-record'] as const)[index]
}

/** Names the subject of a record's key or value. `recordName`: full name of its schema. */
export function subjectName(config: RegistryConfig, isKey: boolean, topic: string, recordName: () => string): string {
  const strategy = strategyOf(config[isKey ? 'key.subject.name.strategy' : 'value.subject.name.strategy'])
  if (strategy === 'record') return recordName()
  return strategy === 'topic-record' ? `${topic}-${recordName()}` : `${topic}-${isKey ? 'key' : 'value'}`
}
