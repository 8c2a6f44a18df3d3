/** TLS of the REST API by upstream's keys. They may be for it alone (`listeners.https.ssl.…`) or for everything (`ssl.…`). */
import type { ConnectionOptions, SecureContextOptions, TlsOptions } from 'node:tls'
import type { RawConfig } from './config-spec.ts'
import { readConfigured } from './disk.ts'
import { configError } from './errors.ts'

/** Of a listener. @throws INVALID_CONFIG without a certificate, or with one in a form that cannot be read */
export function listenerTls(raw: RawConfig): SecureContextOptions & TlsOptions {
  const clientAuth = (valueOf(raw, 'ssl.client.auth') ?? 'none').toLowerCase()
  const identity = identityOf(raw)
  if (identity === undefined) throw configError('an https listener needs a certificate: ssl.keystore.location, or ssl.keystore.key with ssl.keystore.certificate.chain', { details: { key: 'ssl.keystore.location' } })
  return { ...identity, ...trustOf(raw), requestCert: clientAuth !== 'none', rejectUnauthorized: clientAuth === 'required' }
}

/** Of a worker that asks another one: it shows its certificate, and trusts whom its config trusts; without any, whom Node trusts. @throws INVALID_CONFIG */
export function peerTls(raw: RawConfig): ConnectionOptions {
  const checksNames = (valueOf(raw, 'ssl.endpoint.identification.algorithm') ?? 'https') !== ''
  return { ...identityOf(raw), ...trustOf(raw), ...(!checksNames && { checkServerIdentity: () => undefined }) }
}

function valueOf(raw: RawConfig, name: string): string | undefined {
  return raw[`listeners.https.${name}`] ?? raw[name] ?? undefined
}

function fileOf(raw: RawConfig, name: string): Buffer | undefined {
  const path = valueOf(raw, name)
  return path === undefined ? undefined : readConfigured(name, path)
}

function trustOf(raw: RawConfig): SecureContextOptions {
  const ca = valueOf(raw, 'ssl.truststore.certificates') ?? fileOf(raw, 'ssl.truststore.location')
  return ca === undefined ? {} : { ca }
}

/** undefined: there is none. */
function identityOf(raw: RawConfig): SecureContextOptions | undefined {
  const passphrase = valueOf(raw, 'ssl.key.password') ?? valueOf(raw, 'ssl.keystore.password')
  const secret = passphrase === undefined ? {} : { passphrase }
  const [key, cert, type] = [valueOf(raw, 'ssl.keystore.key'), valueOf(raw, 'ssl.keystore.certificate.chain'), (valueOf(raw, 'ssl.keystore.type') ?? 'JKS').toUpperCase()]
  if (key !== undefined && cert !== undefined) return { key, cert, ...secret }
  const store = fileOf(raw, 'ssl.keystore.location')
  if (store === undefined) return undefined
  if (type === 'PEM') return { key: store, cert: store, ...secret }
  if (type === 'PKCS12') return { pfx: store, ...secret }
  throw configError(`ssl.keystore.type is ${type}; PEM and PKCS12 can be read here. Convert the store with: keytool -importkeystore -deststoretype PKCS12`, { details: { key: 'ssl.keystore.type' } })
}
