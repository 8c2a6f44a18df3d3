/** What `record-connect-rest.ts` asks Kafka Connect's workers: the corners of their REST API, as data. */

export type Step =
  | { readonly method: string; readonly path: string; readonly body?: unknown; readonly rawBody?: string; readonly headers?: Readonly<Record<string, string>> }
  | { readonly path: string; readonly until: readonly { readonly at: readonly (string | number)[]; readonly equals: unknown }[] }

export interface Conversation {
  readonly name: string
  /** Absent: on both kinds of worker. */
  readonly on?: 'distributed' | 'standalone'
  /** Text files in `${data}`, by lines. */
  readonly files?: Readonly<Record<string, readonly string[]>>
  readonly steps: readonly Step[]
}

const get = (path: string, headers?: Readonly<Record<string, string>>): Step => ({ method: 'GET', path, ...(headers && { headers }) })
const put = (path: string, body?: unknown): Step => ({ method: 'PUT', path, ...(body !== undefined && { body }) })
const post = (path: string, body?: unknown): Step => ({ method: 'POST', path, ...(body !== undefined && { body }) })
const patch = (path: string, body?: unknown): Step => ({ method: 'PATCH', path, ...(body !== undefined && { body }) })
const remove = (path: string): Step => ({ method: 'DELETE', path })
const runs = (name: string, state = 'RUNNING', tasks = 1): Step => ({
  path: `/connectors/${name}/status`,
  until: [{ at: ['connector', 'state'], equals: state }, { at: ['tasks', '#'], equals: tasks }, ...Array.from({ length: tasks }, (_, index) => ({ at: ['tasks', index, 'state'], equals: state }))],
})
const hasOffsets = (name: string, count: number): Step => ({ path: `/connectors/${name}/offsets`, until: [{ at: ['offsets', '#'], equals: count }] })

const source = (topic: string, file = 'a.txt') => ({ 'connector.class': 'FileStreamSource', 'tasks.max': '1', 'file': `\${data}/${file}`, topic })
const sink = (topics: string) => ({ 'connector.class': 'FileStreamSink', 'tasks.max': '1', 'file': '${data}/out.txt', topics })
const packageOf = 'org.apache.kafka.connect'

interface Info {
  readonly value: { readonly name: string; readonly errors: readonly unknown[] }
}

/** Of an answer of `validate` what is wrong, and what stands under a prefix: the rest is in every one of them. No sentences for people, and of what is recommended the beginning. */
export function shortened(body: unknown): unknown {
  const text = JSON.stringify(body, (key, value: unknown) => (key === 'documentation' ? '' : key === 'recommended_values' ? (value as readonly unknown[]).slice(0, 2) : value))
  const plain = JSON.parse(text) as { readonly configs?: readonly Info[] } | null
  if (!Array.isArray(plain?.configs)) return plain
  const isTelling = ({ value: { name, errors } }: Info) => errors.length > 0 || /^(transforms|predicates)\.|^(key|value|header)\.converter|\.override\.|plugin\.version$/.test(name)
  return { ...plain, configs: (plain.configs as readonly Info[]).filter(isTelling) }
}

// ------------------------------------------------------------------------------------------------ plugins

const transforms = ['Cast', 'ExtractField', 'Flatten', 'HeaderFrom', 'HoistField', 'InsertField', 'MaskField', 'ReplaceField', 'SetSchemaMetadata', 'TimestampConverter']
const unsided = ['DropHeaders', 'Filter', 'InsertHeader', 'RegexRouter', 'TimestampRouter', 'ValueToKey']
const converters = ['ByteArrayConverter', 'BooleanConverter', 'DoubleConverter', 'FloatConverter', 'IntegerConverter', 'LongConverter', 'ShortConverter']

const plugins: Conversation = {
  name: 'plugins', on: 'distributed',
  steps: [
    ...transforms.flatMap((name) => [get(`/connector-plugins/${packageOf}.transforms.${name}$Value/config`), get(`/connector-plugins/${packageOf}.transforms.${name}%24Key/config`)]),
    ...unsided.map((name) => get(`/connector-plugins/${packageOf}.transforms.${name}/config`)),
    ...['Cast', 'RegexRouter', 'Filter', 'InsertHeader', 'HoistField'].map((name) => get(`/connector-plugins/${name}/config`)),
    ...['HasHeaderKey', 'TopicNameMatches', 'RecordIsTombstone'].flatMap((name) => [get(`/connector-plugins/${name}/config`), get(`/connector-plugins/${packageOf}.transforms.predicates.${name}/config`)]),
    ...converters.map((name) => get(`/connector-plugins/${packageOf}.converters.${name}/config`)),
    ...['JsonConverter', 'Json', 'StringConverter', 'String', 'ByteArray', 'Boolean', 'Long', 'SimpleHeaderConverter', 'Simple', `${packageOf}.storage.SimpleHeaderConverter`, `${packageOf}.storage.StringConverter`].map((name) => get(`/connector-plugins/${name}/config`)),
    ...['FileStreamSource', 'FileStreamSourceConnector', 'FileStreamSink', `${packageOf}.file.FileStreamSinkConnector`, 'filestreamsource', 'FileStream', '%20', 'a%20b'].map((name) => get(`/connector-plugins/${name}/config`)),
    get('/connector-plugins/FileStreamSource/config?version=latest'),
    get('/connector-plugins/FileStreamSource'),
    post('/connector-plugins', {}), put('/connector-plugins/FileStreamSource/config', {}), get('/connector-plugins/FileStreamSource/config/validate'),
  ],
}

// ------------------------------------------------------------------------------------------------ validate

const validated = (config: Readonly<Record<string, unknown>>, plugin = 'FileStreamSource') => put(`/connector-plugins/${plugin}/config/validate`, config)
const base = { 'name': 'v', ...source('t') }
const transformed = (type: string, more: Readonly<Record<string, string>> = {}) => validated({
  ...base, 'transforms': 'x', 'transforms.x.type': `${packageOf}.transforms.${type}`, ...Object.fromEntries(Object.entries(more).map(([name, value]) => [`transforms.x.${name}`, value])),
})

const validateTransforms: Conversation = {
  name: 'validate-transforms', on: 'distributed',
  steps: [
    ...transforms.map((name) => transformed(`${name}$Value`)), ...unsided.map((name) => transformed(name)),
    transformed('Cast$Value', { spec: 'a:int99' }), transformed('Cast$Value', { spec: '' }), transformed('Cast$Key', { spec: 'int8', predicate: 'p' }), transformed('Cast$Value', { 'spec': 'a:int8', 'replace.null.with.default': 'maybe' }),
    transformed('RegexRouter', { regex: '(', replacement: 'x' }), transformed('RegexRouter', { regex: '', replacement: '' }), transformed('MaskField$Value', { fields: '', replacement: '' }), transformed('MaskField$Value', { fields: 'a,,b' }),
    transformed('HeaderFrom$Value', { fields: 'a', headers: 'b', operation: 'steal' }), transformed('HeaderFrom$Value', { fields: 'a,b', headers: 'b', operation: 'move' }), transformed('InsertField$Value', { 'static.value': 'x' }),
    transformed('TimestampConverter$Value', { 'target.type': 'moon' }), transformed('TimestampConverter$Value', { 'target.type': 'string' }), transformed('TimestampConverter$Value', { 'target.type': 'unix', 'unix.precision': 'years' }),
    transformed('TimestampRouter', { 'timestamp.format': 'QQQ' }), transformed('ExtractField$Value', { 'field': 'a.b', 'field.syntax.version': 'V3' }), transformed('SetSchemaMetadata$Value', { 'schema.version': 'one' }),
    transformed('ReplaceField$Value', { renames: 'a' }), transformed('ReplaceField$Value', { include: '*', exclude: '' }), transformed('Flatten$Value', { delimiter: '' }), transformed('InsertHeader', { header: '', 'value.literal': '' }),
    transformed('Filter', { predicate: 'p', negate: 'no' }), transformed('Filter', { predicate: '' }), transformed('Filter', { negate: 'true' }), transformed('Cast'), transformed('predicates.HasHeaderKey'), transformed('RegexRouter', { 'plugin.version': '9.9', 'regex': 'a', 'replacement': 'b' }),
    validated({ ...base, 'transforms': 'x', 'transforms.x.type': 'RegexRouter', 'transforms.x.regex': 'a', 'transforms.x.replacement': 'b' }), validated({ ...base, 'transforms': 'x', 'transforms.x.type': '' }), validated({ ...base, transforms: '' }), validated({ ...base, transforms: ' x , y ' }),
    validated({ ...base, 'transforms.y.type': 'RegexRouter' }), validated({ ...base, 'transforms': 'x,y', 'transforms.x.type': `${packageOf}.transforms.Filter`, 'transforms.y.type': `${packageOf}.transforms.HoistField$Value`, 'transforms.y.field': 'f' }),
  ],
}

const predicated = (type: string, more: Readonly<Record<string, string>> = {}) => validated({
  ...base, 'predicates': 'p', 'predicates.p.type': `${packageOf}.transforms.predicates.${type}`, ...Object.fromEntries(Object.entries(more).map(([name, value]) => [`predicates.p.${name}`, value])),
})

const validatePredicates: Conversation = {
  name: 'validate-predicates', on: 'distributed',
  steps: [
    predicated('HasHeaderKey'), predicated('HasHeaderKey', { name: '' }), predicated('HasHeaderKey', { name: 'n' }), predicated('TopicNameMatches'), predicated('TopicNameMatches', { pattern: '(' }), predicated('TopicNameMatches', { pattern: '' }),
    predicated('RecordIsTombstone'), predicated('Nope'), validated({ ...base, 'predicates': 'p,p', 'predicates.p.type': 'RecordIsTombstone' }), validated({ ...base, 'predicates': 'p', 'predicates.p.type': 'RecordIsTombstone' }),
    validated({ ...base, 'transforms': 'x', 'transforms.x.type': 'Filter', 'transforms.x.predicate': 'p', 'predicates': 'p', 'predicates.p.type': 'HasHeaderKey', 'predicates.p.name': 'h' }), validated({ ...base, predicates: ',' }),
  ],
}

const validateSources: Conversation = {
  name: 'validate-sources', on: 'distributed',
  steps: [
    validated({}), put('/connector-plugins/FileStreamSource/config/validate'), validated({ 'connector.class': 'FileStreamSource' }), validated({ ...base, 'connector.class': `${packageOf}.file.FileStreamSourceConnector` }), validated(base, 'FileStreamSourceConnector'),
    validated(base, `${packageOf}.file.FileStreamSourceConnector`), validated(base, 'FileStreamSink'), validated(base, 'Source'), validated({ ...base, 'connector.class': '' }), validated({ ...base, 'connector.class': 'Nope' }, 'Nope'), validated({ ...base, 'connector.class': null }), validated({ ...base, 'connector.class': 'FileStreamSourceConnector' }),
    validated({ ...base, 'batch.size': 'x' }), validated({ ...base, 'batch.size': '-1' }), validated({ ...base, 'batch.size': 5, 'tasks.max': 2 }), validated({ ...base, file: null }), validated({ ...base, 'unknown.key': 'x' }), validated({ ...base, name: null }), validated({ ...base, name: ' ' }), validated({ ...base, name: 'a\nb' }),
    validated({ ...base, 'tasks.max': '' }), validated({ ...base, 'tasks.max': '2147483648' }), validated({ ...base, 'tasks.max': '1.5' }), validated({ ...base, 'tasks.max': ' 3 ' }), validated({ ...base, 'tasks.max.enforce': 'x' }),
    validated({ ...base, 'errors.retry.timeout': 'x', 'errors.retry.delay.max.ms': '-5', 'errors.tolerance': 'ALL', 'errors.log.enable': '1', 'errors.log.include.messages': '' }), validated({ ...base, 'config.action.reload': 'sometimes' }), validated({ ...base, 'config.action.reload': 'NONE' }),
    validated({ ...base, 'topic.creation.groups': 'a' }), validated({ ...base, 'topic.creation.groups': 'a,a', 'topic.creation.default.partitions': '1', 'topic.creation.default.replication.factor': '1' }), validated({ ...base, 'topic.creation.groups': 'default', 'topic.creation.default.partitions': '0', 'topic.creation.default.replication.factor': '0' }),
    validated({ ...base, 'topic.creation.groups': 'a', 'topic.creation.default.partitions': '1', 'topic.creation.default.replication.factor': '1', 'topic.creation.a.include': '(', 'topic.creation.a.partitions': '-2' }), validated({ ...base, 'topic.creation.default.partitions': '3' }), validated({ ...base, 'topic.creation.default.replication.factor': '-1', 'topic.creation.default.partitions': '-1', 'topic.creation.default.cleanup.policy': 'compact' }),
    validated({ ...base, 'exactly.once.support': 'required' }), validated({ ...base, 'exactly.once.support': 'maybe' }), validated({ ...base, 'transaction.boundary': 'connector' }), validated({ ...base, 'transaction.boundary': 'INTERVAL', 'transaction.boundary.interval.ms': '0' }), validated({ ...base, 'transaction.boundary': 'whenever' }), validated({ ...base, 'offsets.storage.topic': '' }), validated({ ...base, 'offsets.storage.topic': ' ' }), validated({ ...base, 'offsets.storage.topic': 'o' }),
  ],
}

const validateConverters: Conversation = {
  name: 'validate-converters', on: 'distributed',
  steps: [
    ...['JsonConverter', 'Json', `${packageOf}.json.JsonConverter`, `${packageOf}.storage.StringConverter`, `${packageOf}.storage.SimpleHeaderConverter`, `${packageOf}.converters.LongConverter`, '', ' ', 'nope', `${packageOf}.transforms.Filter`].flatMap((name) => [validated({ ...base, 'key.converter': name }), validated({ ...base, 'header.converter': name })]),
    validated({ ...base, 'value.converter': `${packageOf}.json.JsonConverter`, 'value.converter.schemas.enable': 'perhaps', 'value.converter.schemas.cache.size': '-1', 'value.converter.decimal.format': 'HEX', 'value.converter.replace.null.with.default': '2' }),
    validated({ ...base, 'value.converter': `${packageOf}.json.JsonConverter`, 'value.converter.decimal.format': 'numeric', 'value.converter.schema.content': '{' }), validated({ ...base, 'key.converter': `${packageOf}.storage.StringConverter`, 'key.converter.encoding': 'nope' }),
    validated({ ...base, 'value.converter.schemas.enable': 'false' }), validated({ ...base, 'key.converter': `${packageOf}.json.JsonConverter`, 'key.converter.unknown': 'x' }), validated({ ...base, 'value.converter': null }), validated({ ...base, 'header.converter': `${packageOf}.json.JsonConverter`, 'header.converter.schemas.enable': 'x' }),
    validated({ ...base, 'key.converter': `${packageOf}.json.JsonConverter`, 'key.converter.plugin.version': '9.9' }), validated({ ...base, 'connector.plugin.version': '9.9' }), validated({ ...base, 'connector.plugin.version': 'x' }),
    validated({ ...base, 'producer.override.linger.ms': '5' }), validated({ ...base, 'producer.override.nothing': 'x', 'consumer.override.max.poll.records': '-1', 'admin.override.retries': 'x' }), validated({ ...base, 'producer.override.acks': '7' }),
  ],
}

const sinkBase = { 'name': 'v', ...sink('a,b') }
const validatedSink = (config: Readonly<Record<string, unknown>>) => validated({ ...sinkBase, ...config }, 'FileStreamSink')

const validateSinks: Conversation = {
  name: 'validate-sinks', on: 'distributed',
  steps: [
    validatedSink({}), validatedSink({ topics: '' }), validatedSink({ topics: ' ' }), validatedSink({ topics: 'a,,b' }), validatedSink({ topics: 'a,a' }), validatedSink({ 'topics': null, 'topics.regex': '(' }), validatedSink({ 'topics': null, 'topics.regex': '' }), validatedSink({ 'topics': '', 'topics.regex': 'a.*' }), validatedSink({ 'topics.regex': 'c' }),
    validatedSink({ 'errors.deadletterqueue.topic.name': 'b' }), validatedSink({ 'errors.deadletterqueue.topic.name': 'd', 'errors.deadletterqueue.topic.replication.factor': '0' }), validatedSink({ 'errors.deadletterqueue.topic.name': 'd', 'errors.deadletterqueue.topic.replication.factor': 'x', 'errors.deadletterqueue.context.headers.enable': 'x' }),
    validatedSink({ 'topics': null, 'topics.regex': 'a.*', 'errors.deadletterqueue.topic.name': 'abc' }), validatedSink({ 'errors.tolerance': 'all', 'errors.deadletterqueue.topic.name': '' }), validatedSink({ file: null }), validatedSink({ file: '' }),
    validatedSink({ 'consumer.override.auto.offset.reset': 'sometime' }), validatedSink({ 'consumer.override.max.poll.records': '0' }), validatedSink({ 'name': 'connect' }), validatedSink({ 'exactly.once.support': 'required' }), validatedSink({ 'topic.creation.groups': 'a' }),
    validatedSink({ 'errors.deadletterqueue.topic.name': 'a', 'topics.regex': 'a', 'key.converter': 'x', 'tasks.max': '0', 'transforms': 'x' }),
  ],
}

// ------------------------------------------------------------------------------------------------ configs

const configs: Conversation = {
  name: 'configs', files: { 'a.txt': ['one', 'two'] },
  steps: [
    put('/connectors/c/config', source('tc')), runs('c'),
    ...[{}, { name: 'c' }, { 'connector.class': 'FileStreamSink' }, { 'tasks.max': '0' }, { 'tasks.max': 2 }, { topic: null }, { topic: '' }, { 'nothing.such': null }, { extra: 'x', other: true }, { extra: null }].map((body) => patch('/connectors/c/config', body)),
    get('/connectors/c/config'),
    patch('/connectors/c/config', []), patch('/connectors/c/config', { deep: { a: 1 } }), patch('/connectors/c/config', { deep: [] }), patch('/connectors/c/config', 'x'), { method: 'PATCH', path: '/connectors/c/config', rawBody: '{' }, { method: 'PATCH', path: '/connectors/c/config', rawBody: '' }, patch('/connectors/c/config', null), patch('/connectors/none/config', {}), patch('/connectors/none/config', { name: 'x' }),
    put('/connectors/c/config', {}), put('/connectors/c/config', { ...source('tc'), name: 'c' }), put('/connectors/c/config', { ...source('tc'), name: ' c ' }), put('/connectors/c/config', { ...source('tc'), 'extra': null, 'number': 1.5, 'yes': true }), get('/connectors/c/config'), get('/connectors/c'),
    put('/connectors/c/config', null), { method: 'PUT', path: '/connectors/c/config', rawBody: '' }, put('/connectors/c/config', []), put('/connectors/c/config', { ...source('tc'), deep: [1] }), put('/connectors/n/config', { 'connector.class': 'FileStreamSource', 'topic': 'x', 'config': 'y' }), remove('/connectors/n'), remove('/connectors/n'),
    put('/connectors/%20/config', source('tc')), put('/connectors/d%20e/config', { ...source('tc'), name: 'd e' }), get('/connectors/d%20e/config'), get('/connectors/d+e/config'), remove('/connectors/d%20e'), remove('/connectors/c'),
    post('/connectors', { name: 'c', config: { ...source('tc'), name: 'c' } }), post('/connectors', { name: 'c', config: { ...source('tc'), name: 'd' } }), post('/connectors', { config: { ...source('tc'), name: 'from-config' } }), get('/connectors/from-config'), remove('/connectors/from-config'), post('/connectors', { name: null, config: { ...source('tc'), name: 'from' } }), remove('/connectors/from'),
    post('/connectors', { name: 5, config: source('tc') }), remove('/connectors/5'), post('/connectors', { name: true, config: source('tc') }), remove('/connectors/true'), post('/connectors', { name: {}, config: source('tc') }), post('/connectors', { name: 'x', config: null }), post('/connectors', { name: 'x', config: source('tc'), initial_state: null }), remove('/connectors/x'), post('/connectors', { name: 'x', config: source('tc'), initial_state: '' }), post('/connectors', { name: 'x', config: source('tc'), initial_state: 1 }), post('/connectors', { name: 'x', config: source('tc'), initial_state: 9 }), remove('/connectors/x'),
    post('/connectors', { name: 'x', config: source('tc'), initial_state: ' paused ' }), post('/connectors', { name: 'x', config: source('tc'), initialState: 'PAUSED' }), post('/connectors', { Name: 'x', config: source('tc') }), post('/connectors', { name: 'x', config: { ...source('tc'), 'key.converter': '' } }),
    { method: 'POST', path: '/connectors', rawBody: '{"name":"x","config":{"connector.class":"FileStreamSource","topic":"a","topic":"b"}}' }, get('/connectors/x/config'), remove('/connectors/x'), { method: 'POST', path: '/connectors', rawBody: '{"name":"x","config":{}} trailing' }, { method: 'POST', path: '/connectors', rawBody: '{"name":"x",}' }, { method: 'POST', path: '/connectors', rawBody: '5' }, { method: 'POST', path: '/connectors', rawBody: '' },
  ],
}

// ------------------------------------------------------------------------------------------------ states

const states: Conversation = {
  name: 'states', files: { 'a.txt': ['one'] },
  steps: [
    post('/connectors', { name: 's', config: source('ts'), initial_state: 'stopped' }), runs('s', 'STOPPED', 0), get('/connectors/s/status'), get('/connectors/s'), get('/connectors/s/tasks'), get('/connectors/s/offsets'), get('/connectors/s/topics'),
    put('/connectors/s/stop'), put('/connectors/s/pause'), runs('s', 'PAUSED', 1), get('/connectors/s/status'), post('/connectors/s/restart'), post('/connectors/s/restart?includeTasks=true'), runs('s', 'PAUSED', 1), get('/connectors/s/tasks'), post('/connectors/s/tasks/0/restart'), runs('s', 'PAUSED', 1), put('/connectors/s/resume'), runs('s'), put('/connectors/s/resume'),
    put('/connectors/s/stop'), runs('s', 'STOPPED', 0), post('/connectors/s/restart'), put('/connectors/s/config', { ...source('ts'), 'batch.size': '7' }), get('/connectors/s/config'), runs('s', 'STOPPED', 0), put('/connectors/s/resume'), runs('s'),
    post('/connectors/s/tasks/x/restart'), post('/connectors/s/tasks/99999999999/restart'), get('/connectors/s/tasks/x/status'), get('/connectors/s/tasks/-1/status'), get('/connectors/s/tasks/99999999999/status'), get('/connectors/s/tasks/00/status'), get('/connectors/s/tasks/0'), get('/connectors/s/tasks/0/'), post('/connectors/s/tasks/0/status'),
    post('/connectors/s/restart?includeTasks'), post('/connectors/s/restart?onlyFailed=TRUE'), post('/connectors/s/restart?includeTasks=1'), post('/connectors/s/restart?forward=x'), runs('s'), post('/connectors/s/restart', { a: 1 }), post('/connectors/s/pause'), get('/connectors/s/pause'), put('/connectors/s/restart'), remove('/connectors/s/status'),
    put('/connectors/s/topics/reset'), post('/connectors/s/topics/reset'), put('/connectors/none/topics/reset'), get('/connectors/none/topics'), put('/connectors/s/pause', { body: 1 }), put('/connectors/s/stop', []), runs('s', 'STOPPED', 0), remove('/connectors/s?x=y'), get('/connectors/s/topics'),
    get('/connectors?expand=status,info'), get('/connectors?expand=STATUS'), get('/connectors?expand='), get('/connectors?expand=info&expand=info'), get('/connectors?expand'), get('/connectors?Expand=status'),
    post('/connectors', { name: 'e', config: source('ts'), initial_state: 'Paused' }), runs('e', 'PAUSED', 1), get('/connectors?expand=status,info'), get('/connectors?expand=STATUS'), get('/connectors?expand='), get('/connectors?expand=info&expand=info'), get('/connectors?expand=info&expand=bogus'), get('/connectors?expand=status&expand=info'), get('/connectors?expand'), get('/connectors/?expand=status'),
    { method: 'HEAD', path: '/connectors' }, { method: 'HEAD', path: '/connectors/none' }, { method: 'OPTIONS', path: '/connectors' }, { method: 'OPTIONS', path: '/connectors/e/config' }, { method: 'PATCH', path: '/connectors', body: {} }, remove('/connectors'), { method: 'TRACE', path: '/nowhere' },
    get('/connectors', { Accept: '*/*' }), get('/connectors', { Accept: 'application/*' }), get('/connectors', { Accept: 'text/html, application/json;q=0.5' }), get('/connectors', { Accept: 'application/xml' }), get('/nope', { Accept: 'text/html' }), get('/', { Accept: 'text/plain' }), get('/health', { Accept: 'text/plain' }), get('/health/'), get('/openapi.yaml'), get('/application.wadl'),
  ].filter((step) => !('method' in step && step.method === 'TRACE')),
}

// ------------------------------------------------------------------------------------------------ offsets

const path = '/connectors/o/offsets'
const position = (offset: unknown, filename: unknown = '${data}/a.txt') => ({ partition: { filename }, offset })
const place = (topic: unknown, partition: unknown, offset: unknown) => ({ partition: { kafka_topic: topic, kafka_partition: partition }, offset: offset === null ? null : { kafka_offset: offset } })

const sourceOffsets: Conversation = {
  name: 'source-offsets', files: { 'a.txt': ['one', 'two', 'three'] },
  steps: [
    put('/connectors/o/config', source('to-source')), runs('o'), hasOffsets('o', 1), put('/connectors/o/stop'), runs('o', 'STOPPED', 0),
    ...[
      null, [], 'x', 5, { offsets: {} }, { offsets: 'x' }, { offsets: [{}] }, { offsets: [null] }, { offsets: [{ partition: null, offset: null }] }, { offsets: [{ partition: {}, offset: {} }] }, { offsets: [{ partition: {}, offset: null }] }, { offsets: [{ partition: 'x', offset: null }] }, { offsets: [{ partition: { filename: 'x' } }] },
      { offsets: [{ ...position({ position: 1 }), extra: 1 }] }, { offsets: [position({ position: 1 })], extra: 1 }, { offsets: [position({ position: 1.5 })] }, { offsets: [position({ position: '1' })] }, { offsets: [position({ position: null })] }, { offsets: [position({ position: true })] },
      { offsets: [position({ position: 1, more: 2 })] }, { offsets: [position({ position: { a: 1 } })] }, { offsets: [position({ position: [1] })] }, { offsets: [position({ position: 1 }, 5)] }, { offsets: [position({ position: 1 }, null)] }, { offsets: [position({ position: 1 }, { a: 1 })] }, { offsets: [{ partition: { filename: '${data}/a.txt', more: 1 }, offset: { position: 2 } }] },
      { offsets: [position({ position: 1 }), position({ position: 2 })] }, { offsets: [position({ position: 4 }, 'other'), position({ position: 5 })] }, { offsets: [position(null, 'other')] }, { offsets: [position(null, 'never seen')] }, { offsets: [position(null), position({ position: 3 }, 'third')] },
    ].flatMap((body) => [patch(path, body), get(path)]),
    { method: 'PATCH', path, rawBody: '{' }, { method: 'PATCH', path, rawBody: '' }, put(path, {}), post(path, {}), remove(path), remove(path), remove(`${path}?forward=true`), patch('/connectors/none/offsets', { offsets: [position(null)] }), patch('/connectors/none/offsets', {}), remove('/connectors/none/offsets'), get('/connectors/none/offsets'), remove('/connectors/o'), get(path),
  ],
}

const sinkOffsets: Conversation = {
  name: 'sink-offsets', files: { 'a.txt': ['one', 'two', 'three'] },
  steps: [
    put('/connectors/feed/config', source('to-sink')), put('/connectors/o/config', sink('to-sink')), runs('o'), hasOffsets('o', 1), patch(path, { offsets: [place('to-sink', 0, 1)] }), remove(path), put('/connectors/o/stop'), runs('o', 'STOPPED', 0), get(path),
    ...[
      { offsets: [{ partition: {}, offset: {} }] }, { offsets: [{ partition: null, offset: null }] }, { offsets: [{ partition: { kafka_topic: 'to-sink' }, offset: { kafka_offset: 1 } }] }, { offsets: [{ partition: { kafka_partition: 0 }, offset: { kafka_offset: 1 } }] }, { offsets: [{ partition: { kafka_topic: 'to-sink', kafka_partition: 0, more: 1 }, offset: { kafka_offset: 1, more: 2 } }] },
      { offsets: [{ partition: { kafka_topic: 'to-sink', kafka_partition: 0 }, offset: {} }] }, { offsets: [place('to-sink', 0, undefined)] }, { offsets: [place(null, 0, 1)] }, { offsets: [place(5, 0, 1)] }, { offsets: [place('to-sink', null, 1)] }, { offsets: [place('to-sink', '0', '2')] }, { offsets: [place('to-sink', ' 0', '2')] }, { offsets: [place('to-sink', 'x', 1)] },
      { offsets: [place('to-sink', 0, 'x')] }, { offsets: [place('to-sink', 0, '')] }, { offsets: [place('to-sink', -1, 1)] }, { offsets: [place('to-sink', 0, -1)] }, { offsets: [place('to-sink', 0.5, 1)] }, { offsets: [place('to-sink', 0, 1.5)] }, { offsets: [place('to-sink', true, 1)] }, { offsets: [place('to-sink', 0, true)] }, { offsets: [place('to-sink', 0, { a: 1 })] }, { offsets: [place('to-sink', [0], 1)] },
      { offsets: [place('to-sink', 3_000_000_000, 1)] }, { offsets: [place('to-sink', 0, 99)] }, { offsets: [place('to-sink', 7, 1)] }, { offsets: [place('not-there', 0, 1)] }, { offsets: [place('to-sink', 0, 1), place('to-sink', 0, 2)] }, { offsets: [place('to-sink', 0, null)] }, { offsets: [place('to-sink', 0, 2)] }, { offsets: [place('', 0, 2)] },
    ].flatMap((body) => [patch(path, body), get(path)]),
    remove(path), get(path), remove(path), put('/connectors/o/resume'), runs('o'), hasOffsets('o', 1), remove('/connectors/o'), get(path),
    post('/connectors', { name: 'fresh', config: sink('never-written'), initial_state: 'STOPPED' }), runs('fresh', 'STOPPED', 0), remove('/connectors/fresh/offsets'), patch('/connectors/fresh/offsets', { offsets: [place('to-sink', 0, 1)] }), get('/connectors/fresh/offsets'),
  ],
}

// ------------------------------------------------------------------------------------------------ loggers, names, the rest

const logger = '/admin/loggers/org.example'
const loggers: Conversation = {
  name: 'loggers',
  steps: [
    put(logger, { level: 'debug' }), get(logger), put(`${logger}.deep.Class`, { level: 'Warn' }), get(`${logger}.deep.Class`), get(`${logger}.deep`), put(logger, { level: 'ERROR' }), get(`${logger}.deep.Class`), put(`${logger}.deep`, { level: 'TRACE' }), get(`${logger}.deep.Class`), get(logger),
    ...['TRACE', 'FATAL', 'OFF', 'ALL', '', ' INFO ', 5, null, true, ['INFO'], { a: 1 }].map((level) => put(`${logger}.levels`, { level })),
    put(`${logger}.levels`, { level: 'INFO', more: 1 }), put(`${logger}.levels`, {}), put(`${logger}.levels`, []), put(`${logger}.levels`, 'INFO'), put(`${logger}.levels`, null), put(`${logger}.levels`), { method: 'PUT', path: logger, rawBody: '{' }, put(`${logger}?scope=`, { level: 'INFO' }), put(`${logger}?scope=WORKER`, { level: 'INFO' }), put(`${logger}?scope=Cluster`, { level: 'WARN' }), put(`${logger}?scope=cluster`, { level: 'LOUD' }), put(`${logger}?scope=cluster`, {}),
    remove(logger), post(logger, { level: 'INFO' }), get('/admin'), get('/admin/loggers/%20'), put('/admin/loggers/odd%20name', { level: 'INFO' }), get('/admin/loggers/odd%20name'),
  ],
}

const odd = ['a b', 'a+b', 'a&b=c', 'a"b', "a'b", 'ä', '日本', '🙂', 'a:b', 'a@b', 'a,b', '(a)', '[a]', 'a|b', 'a~b', '$a', '-', '_', '*', 'null', 'A', '0']
const names: Conversation = {
  name: 'odd-names', files: { 'a.txt': ['one'] },
  steps: [
    ...odd.flatMap((name) => [post('/connectors', { name, config: source('tn'), initial_state: 'STOPPED' }), get(`/connectors/${encodeURIComponent(name)}`), get(`/connectors/${encodeURIComponent(name)}/config`), remove(`/connectors/${encodeURIComponent(name)}`)]),
    ...['a\tb', 'a\nb', '\u007f', 'a\u0085b', ' ', '\t', 'x'.repeat(300)].map((name) => post('/connectors', { name, config: source('tn'), initial_state: 'STOPPED' })),
    get(`/connectors/${'x'.repeat(300)}`), remove(`/connectors/${'x'.repeat(300)}`), get('/connectors/.'), get('/connectors/..'), get('/connectors/a%2e'),
  ],
}

/** Of those that workers ask of each other. */
const internal: Conversation = {
  name: 'internal-requests', on: 'distributed',
  steps: [
    post('/connectors/x/tasks', []), put('/connectors/x/fence'), { method: 'PUT', path: '/connectors/x/fence', headers: { 'X-Connect-Authorization': 'AAAA', 'X-Connect-Request-Signature-Algorithm': 'HmacSHA256' } }, { method: 'POST', path: '/connectors/x/tasks', body: [], headers: { 'X-Connect-Authorization': 'AAAA', 'X-Connect-Request-Signature-Algorithm': 'HmacMD5' } }, { method: 'POST', path: '/connectors/x/tasks', body: [], headers: { 'X-Connect-Authorization': 'AAAA' } },
  ],
}

/** A task that fails: a file cannot be written. */
const failing: Conversation = {
  name: 'failing-tasks', files: { 'a.txt': ['not json'] },
  steps: [
    put('/connectors/f/config', { ...sink('to-fail'), file: '/no/such/folder/out.txt' }), { path: '/connectors/f/status', until: [{ at: ['tasks', 0, 'state'], equals: 'FAILED' }] }, get('/connectors/f/status'), get('/connectors/f/tasks/0/status'), get('/connectors?expand=status'), post('/connectors/f/restart?includeTasks=true&onlyFailed=true'),
    { path: '/connectors/f/status', until: [{ at: ['tasks', 0, 'state'], equals: 'FAILED' }] }, put('/connectors/f/pause'), { path: '/connectors/f/status', until: [{ at: ['connector', 'state'], equals: 'PAUSED' }] }, get('/connectors/f/status'), put('/connectors/f/resume'), { path: '/connectors/f/status', until: [{ at: ['connector', 'state'], equals: 'RUNNING' }] }, get('/connectors/f/tasks/0/status'), put('/connectors/f/stop'), runs('f', 'STOPPED', 0), remove('/connectors/f'),
  ],
}

export const conversations: readonly Conversation[] = [plugins, validateTransforms, validatePredicates, validateSources, validateConverters, validateSinks, configs, states, sourceOffsets, sinkOffsets, loggers, names, internal, failing]
