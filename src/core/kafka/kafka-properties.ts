/**
 * Connection settings from a properties file as Kafka's own tools read it (`--command-config`), so that one file serves
 * both. Names and meanings are those of Apache Kafka's clients; certificates are PEM, because Node.js reads no JKS.
 */
import type { ConnectionOptions } from 'node:tls'
import { StreamError } from '../errors.ts'
import type { SaslOptions } from './kafka-client.ts'
import type { KafkaBrokerOptions } from './open-kafka-broker.ts'

export interface PropertiesContext {
  /** For certificates that a property names by their file. */
  readonly readFile: (path: string) => string
}

type Properties = Readonly<Record<string, string>>

const securityProtocols = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL']
const saslMechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER']

/** Properties of these groups decide about security: one that has no effect must not look as if it had. */
const guardedGroups = /^(security|sasl|ssl)\./
const known: ReadonlySet<string> = new Set([
  'bootstrap.servers', 'client.id', 'request.timeout.ms', 'default.api.timeout.ms', 'delivery.timeout.ms', 'socket.connection.setup.timeout.ms', 'security.protocol',
  'sasl.mechanism', 'sasl.jaas.config', 'ssl.truststore.type', 'ssl.truststore.location', 'ssl.truststore.certificates', 'ssl.keystore.type', 'ssl.keystore.location',
  'ssl.keystore.certificate.chain', 'ssl.keystore.key', 'ssl.key.password', 'ssl.endpoint.identification.algorithm', 'ssl.protocol', 'ssl.enabled.protocols',
])

/**
 * `bootstrap.servers` may be absent: then `brokers` is empty, and the caller fills it in. Properties that are none of a
 * connection's (of consumers, of producers) are left alone. Secrets never appear in an error.
 * @throws INVALID_CONFIG
 */
export function kafkaOptionsFromProperties(properties: Properties, context: PropertiesContext): KafkaBrokerOptions {
  for (const name of Object.keys(properties)) {
    if (guardedGroups.test(name) && !known.has(name)) throw invalid(name, `is not supported; of its kind there are ${[...known].filter((other) => guardedGroups.test(other)).join(', ')}`)
  }
  const protocol = (properties['security.protocol'] ?? 'PLAINTEXT').toUpperCase()
  if (!securityProtocols.includes(protocol)) throw invalid('security.protocol', `is ${protocol}; it must be one of ${securityProtocols.join(', ')}`)
  const clientId = properties['client.id']
  return {
    brokers: (properties['bootstrap.servers'] ?? '').split(',').map((broker) => broker.trim()).filter((broker) => broker !== ''),
    ...(clientId === undefined ? {} : { clientId }),
    ...milliseconds(properties, 'request.timeout.ms', 'requestTimeoutMs'),
    ...milliseconds(properties, 'default.api.timeout.ms', 'operationTimeoutMs'),
    ...milliseconds(properties, 'delivery.timeout.ms', 'deliveryTimeoutMs'),
    ...milliseconds(properties, 'socket.connection.setup.timeout.ms', 'connectionTimeoutMs'),
    ...(protocol.endsWith('SSL') ? { ssl: tlsOptions(properties, context) } : {}),
    // Kafka's way to say that the name in the certificate does not matter
    ...(properties['ssl.endpoint.identification.algorithm'] === '' ? { checkServerName: false } : {}),
    ...(protocol.startsWith('SASL') ? { sasl: saslOptions(properties) } : {}),
  }
}

type TimeOut = 'requestTimeoutMs' | 'operationTimeoutMs' | 'deliveryTimeoutMs' | 'connectionTimeoutMs'

function milliseconds(properties: Properties, name: string, option: TimeOut): { readonly [Option in TimeOut]?: number } {
  const text = properties[name]
  if (text === undefined) return {}
  if (/^\d{1,9}$/.test(text.trim()) && Number(text) > 0) return { [option]: Number(text) }
  throw invalid(name, `is ${JSON.stringify(text)}; give milliseconds`)
}

// ---------------------------------------------------------------------------------------------------- TLS

function tlsOptions(properties: Properties, context: PropertiesContext): ConnectionOptions {
  ensurePem(properties, 'ssl.truststore')
  ensurePem(properties, 'ssl.keystore')
  const ca = properties['ssl.truststore.certificates'] ?? fileNamedBy(properties, 'ssl.truststore.location', context)
  const store = fileNamedBy(properties, 'ssl.keystore.location', context)
  const key = properties['ssl.keystore.key'] ?? store
  const cert = properties['ssl.keystore.certificate.chain'] ?? store
  const passphrase = properties['ssl.key.password']
  return {
    ...(ca === undefined ? {} : { ca: unfolded(ca) }),
    ...(key === undefined ? {} : { key: unfolded(key) }),
    ...(cert === undefined ? {} : { cert: unfolded(cert) }),
    ...(passphrase === undefined ? {} : { passphrase }),
  }
}

function ensurePem(properties: Properties, store: string): void {
  const type = properties[`${store}.type`]
  const isNamed = properties[`${store}.location`] !== undefined
  if ((type === undefined && !isNamed) || type?.toUpperCase() === 'PEM') return
  throw invalid(`${store}.type`, `is ${type ?? 'JKS (its default)'}; only PEM can be read here. Convert the store, for example with keytool and openssl, and set ${store}.type=PEM`)
}

function fileNamedBy(properties: Properties, name: string, context: PropertiesContext): string | undefined {
  const path = properties[name]
  if (path === undefined) return undefined
  try {
    return context.readFile(path)
  } catch (error) {
    throw new StreamError('INVALID_CONFIG', `${name}: ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error, details: { key: name } })
  }
}

/** A properties file may hold a certificate in one line, with blanks where the lines ended. */
function unfolded(pem: string): string {
  return pem.replace(/(-----BEGIN [A-Z ]+-----)([^-]+)(-----END [A-Z ]+-----)\s*/g, (_, begin: string, body: string, end: string) => `${begin}\n${body.trim().split(/\s+/).join('\n')}\n${end}\n`)
}

// ---------------------------------------------------------------------------------------------------- SASL

function saslOptions(properties: Properties): SaslOptions {
  const mechanism = (properties['sasl.mechanism'] ?? 'GSSAPI').toUpperCase()
  if (!saslMechanisms.includes(mechanism)) throw invalid('sasl.mechanism', `is ${mechanism}${properties['sasl.mechanism'] === undefined ? ' (its default)' : ''}; it must be one of ${saslMechanisms.join(', ')}`)
  const jaas = jaasOptions(properties['sasl.jaas.config'] ?? '')
  if (mechanism === 'OAUTHBEARER') {
    const token = jaas.get('token')
    if (token === undefined) throw invalid('sasl.jaas.config', 'needs token="…" for OAUTHBEARER; a program can give openKafkaBroker a function that fetches tokens')
    return { mechanism, token }
  }
  const username = jaas.get('username')
  const password = jaas.get('password')
  if (username === undefined || password === undefined) throw invalid('sasl.jaas.config', `needs username="…" and password="…" for ${mechanism}`)
  return { mechanism: mechanism as 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512', username, password }
}

/** `org.apache…LoginModule required username="alice" password="a\"b";` */
function jaasOptions(jaas: string): ReadonlyMap<string, string> {
  const options = jaas.matchAll(/([A-Za-z][\w.]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s;"']+))/g)
  return new Map([...options].map(([, name, doubleQuoted, singleQuoted, bare]) => [name!, (doubleQuoted ?? singleQuoted ?? bare!).replace(/\\(.)/g, '$1')]))
}

function invalid(name: string, problem: string): StreamError {
  return new StreamError('INVALID_CONFIG', `${name} ${problem}`, { details: { key: name } })
}
