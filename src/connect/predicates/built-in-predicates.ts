import { configSpec, option } from '../config-spec.ts'
import type { PredicatePlugin } from '../connector.ts'
import { javaRegex } from '../transforms/java-regex.ts'
import { nonEmpty, regex } from '../transforms/options.ts'
import { transformVersion } from '../transforms/sides.ts'

const packageName = 'org.apache.kafka.connect.transforms.predicates'

const hasHeaderKeyConfig = configSpec({ name: option.string({ doc: 'Name of the header.', check: nonEmpty }) })

const hasHeaderKey: PredicatePlugin = {
  type: 'predicate', class: `${packageName}.HasHeaderKey`, version: transformVersion, config: hasHeaderKeyConfig,
  create(config) {
    const { name } = config as { readonly name: string }
    return { test: ({ headers }) => headers.some(({ key }) => key === name) }
  },
}

const recordIsTombstone: PredicatePlugin = {
  type: 'predicate', class: `${packageName}.RecordIsTombstone`, version: transformVersion, config: configSpec({}),
  create: () => ({ test: ({ value }) => value === null || value === undefined }),
}

const topicNameMatchesConfig = configSpec({ pattern: option.string({ doc: 'Regular expression that must match the whole topic.', check: nonEmpty, rule: regex }) })

const topicNameMatches: PredicatePlugin = {
  type: 'predicate', class: `${packageName}.TopicNameMatches`, version: transformVersion, config: topicNameMatchesConfig,
  create(config) {
    const { source, flags } = javaRegex((config as { readonly pattern: string }).pattern) as RegExp
    const whole = new RegExp(`^(?:${source})$`, flags)
    return { test: ({ topic }) => whole.test(topic) }
  },
}

export const predicatePlugins: readonly PredicatePlugin[] = [hasHeaderKey, recordIsTombstone, topicNameMatches]
