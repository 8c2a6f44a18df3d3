/** The settings of Kafka's own clients, version 4.3.1: what tools are told of those that a connector overrides. */
import { option } from '../config-spec.ts'
import type { ConfigOption, ConfigType, Importance } from '../config-spec.ts'

export type Client = 'producer' | 'consumer' | 'admin'

const assignors = 'org.apache.kafka.clients.consumer'

/** Clients by their first letters, name, type, importance, default: `!` there is none, `-` null, else behind `=`. */
const table = `
p acks string low =all
c allow.auto.create.topics boolean medium =true
c auto.commit.interval.ms int low =5000
c auto.offset.reset string medium =latest
p batch.size int medium =16384
a bootstrap.controllers list high =
pc bootstrap.servers list high !
a bootstrap.servers list high =
p buffer.memory long high =33554432
c check.crcs boolean low =true
pca client.dns.lookup string medium =use_all_dns_ips
c client.id string low =
pa client.id string medium =
c client.rack string low =
p compression.gzip.level int medium =-1
p compression.lz4.level int medium =9
p compression.type string high =none
p compression.zstd.level int medium =3
pca config.providers list low =
a connections.max.idle.ms long medium =300000
pc connections.max.idle.ms long medium =540000
ca default.api.timeout.ms int medium =60000
p delivery.timeout.ms int medium =120000
c enable.auto.commit boolean medium =true
p enable.idempotence boolean low =true
a enable.metrics.push boolean low =false
pc enable.metrics.push boolean low =true
c exclude.internal.topics boolean medium =true
c fetch.max.bytes int medium =52428800
c fetch.max.wait.ms int low =500
c fetch.min.bytes int high =1
c group.id string high -
c group.instance.id string medium -
c group.protocol string high =classic
c group.remote.assignor string medium -
c heartbeat.interval.ms int high =3000
pc interceptor.classes list low =
c internal.throw.on.fetch.stable.offset.unsupported boolean low =false
c isolation.level string medium =read_uncommitted
c key.deserializer class high !
p key.serializer class high !
p linger.ms long medium =5
p max.block.ms long medium =60000
p max.in.flight.requests.per.connection int low =5
c max.partition.fetch.bytes int high =1048576
c max.poll.interval.ms int medium =300000
c max.poll.records int medium =500
p max.request.size int medium =1048576
pca metadata.max.age.ms long low =300000
p metadata.max.idle.ms long low =300000
pca metadata.recovery.rebootstrap.trigger.ms long low =300000
pca metadata.recovery.strategy string low =rebootstrap
pca metric.reporters list low =org.apache.kafka.common.metrics.JmxReporter
pca metrics.num.samples int low =2
pca metrics.recording.level string low =INFO
pca metrics.sample.window.ms long low =30000
c partition.assignment.strategy list medium =class ${assignors}.RangeAssignor,class ${assignors}.CooperativeStickyAssignor
p partitioner.adaptive.partitioning.enable boolean low =true
p partitioner.availability.timeout.ms long low =0
p partitioner.class class medium -
p partitioner.ignore.keys boolean medium =false
p receive.buffer.bytes int medium =32768
ca receive.buffer.bytes int medium =65536
pca reconnect.backoff.max.ms long low =1000
pca reconnect.backoff.ms long low =50
pca request.timeout.ms int medium =30000
p retries int high =2147483647
a retries int low =2147483647
pca retry.backoff.max.ms long low =1000
pca retry.backoff.ms long low =100
pca sasl.client.callback.handler.class class medium -
pca sasl.jaas.config password medium -
pca sasl.kerberos.kinit.cmd string low =/usr/bin/kinit
pca sasl.kerberos.min.time.before.relogin long low =60000
pca sasl.kerberos.service.name string medium -
pca sasl.kerberos.ticket.renew.jitter double low =0.05
pca sasl.kerberos.ticket.renew.window.factor double low =0.8
pca sasl.login.callback.handler.class class medium -
pca sasl.login.class class medium -
pca sasl.login.connect.timeout.ms int low -
pca sasl.login.read.timeout.ms int low -
pca sasl.login.refresh.buffer.seconds short low =300
pca sasl.login.refresh.min.period.seconds short low =60
pca sasl.login.refresh.window.factor double low =0.8
pca sasl.login.refresh.window.jitter double low =0.05
pca sasl.login.retry.backoff.max.ms long low =10000
pca sasl.login.retry.backoff.ms long low =100
pca sasl.mechanism string medium =GSSAPI
pca sasl.oauthbearer.assertion.algorithm string medium =RS256
pca sasl.oauthbearer.assertion.claim.aud string medium -
pca sasl.oauthbearer.assertion.claim.exp.seconds int low =300
pca sasl.oauthbearer.assertion.claim.iss string medium -
pca sasl.oauthbearer.assertion.claim.jti.include boolean medium =false
pca sasl.oauthbearer.assertion.claim.nbf.seconds int low =60
pca sasl.oauthbearer.assertion.claim.sub string medium -
pca sasl.oauthbearer.assertion.file string medium -
pca sasl.oauthbearer.assertion.private.key.file string medium -
pca sasl.oauthbearer.assertion.private.key.passphrase password medium -
pca sasl.oauthbearer.assertion.template.file string medium -
pca sasl.oauthbearer.client.credentials.client.id string medium -
pca sasl.oauthbearer.client.credentials.client.secret password medium -
pca sasl.oauthbearer.clock.skew.seconds int low =30
pca sasl.oauthbearer.expected.audience list high =
pca sasl.oauthbearer.expected.issuer string high -
pca sasl.oauthbearer.header.urlencode boolean low =false
pca sasl.oauthbearer.jwks.endpoint.refresh.ms long low =3600000
pca sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms long low =10000
pca sasl.oauthbearer.jwks.endpoint.retry.backoff.ms long low =100
pca sasl.oauthbearer.jwks.endpoint.url string medium -
pca sasl.oauthbearer.jwt.retriever.class class medium =org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever
pca sasl.oauthbearer.jwt.validator.class class medium =org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator
pca sasl.oauthbearer.scope string medium -
pca sasl.oauthbearer.scope.claim.name string low =scope
pca sasl.oauthbearer.sub.claim.name string low =sub
pca sasl.oauthbearer.token.endpoint.url string medium -
pca security.protocol string medium =PLAINTEXT
pca security.providers string low -
pca send.buffer.bytes int medium =131072
c session.timeout.ms int high =45000
c share.acknowledgement.mode string medium =implicit
c share.acquire.mode string medium =BATCH_OPTIMIZED
pca socket.connection.setup.timeout.max.ms long medium =30000
pca socket.connection.setup.timeout.ms long medium =10000
pca ssl.cipher.suites list low =
pca ssl.enabled.protocols list medium =TLSv1.2,TLSv1.3
pca ssl.endpoint.identification.algorithm string low =https
pca ssl.engine.factory.class class low -
pca ssl.key.password password high -
pca ssl.keymanager.algorithm string low =SunX509
pca ssl.keystore.certificate.chain password high -
pca ssl.keystore.key password high -
pca ssl.keystore.location string high -
pca ssl.keystore.password password high -
pca ssl.keystore.type string medium =JKS
pca ssl.protocol string medium =TLSv1.3
pca ssl.provider string medium -
pca ssl.secure.random.implementation string low -
pca ssl.trustmanager.algorithm string low =PKIX
pca ssl.truststore.certificates password high -
pca ssl.truststore.location string high -
pca ssl.truststore.password password high -
pca ssl.truststore.type string medium =JKS
p transaction.timeout.ms int low =60000
p transaction.two.phase.commit.enable boolean low =false
p transactional.id string low -
c value.deserializer class high !
p value.serializer class high !
`

interface Basics {
  readonly doc: string
  readonly importance: Importance
  readonly default: null
}

const makers: Readonly<Record<ConfigType, (settings: Basics) => ConfigOption<unknown>>> = {
  boolean: option.boolean, string: option.string, int: option.int, short: option.short, long: option.long, double: option.double, list: option.list, class: option.class, password: option.password,
}

let known: ReadonlyMap<string, ConfigOption<unknown>> | undefined

/** undefined: no client of that kind has it. */
export function clientKey(client: Client, key: string): ConfigOption<unknown> | undefined {
  known ??= new Map(table.trim().split('\n').flatMap(optionsOf))
  return known.get(`${client} ${key}`)
}

function optionsOf(line: string): readonly (readonly [string, ConfigOption<unknown>])[] {
  const [letters = '', name = '', type, importance, ...rest] = line.split(' ')
  const standard = rest.join(' ')
  const basics = { doc: `${name} of the client.`, importance: importance as Importance }
  const made = makers[type as ConfigType]({ ...basics, default: null })
  const settings = { ...basics, ...(standard !== '!' && { default: standard === '-' ? null : standard.slice(1) }) }
  const clients = (['producer', 'consumer', 'admin'] as const).filter((client) => letters.includes(client[0]!))
  return clients.map((client) => [`${client} ${name}`, { ...made, settings }] as const)
}
