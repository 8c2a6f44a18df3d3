import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { kafkaOptionsFromProperties, openKafkaBroker, openSharedBroker, shareBroker } from '../../src/core/index.ts'
import { systemClock } from '../../src/core/clock.ts'
import { hasKafkaTools, runKafkaTool } from '../kit/kafka.ts'
import { describeWithOwnKafka } from '../kit/kafka-describe.ts'

const home = mkdtempSync(join(tmpdir(), 'millrace-kafka-security-'))
const certificate = join(home, 'certificate.pem')
const keystore = join(home, 'keystore.pem')
makeCertificate()
afterAll(() => rmSync(home, { recursive: true, force: true }))

/** The tool sets one kind of password of a user at a time. */
const scramUsers = [['SCRAM-SHA-256', 'alice'], ['SCRAM-SHA-512', 'bob']] as const

/** One TLS listener with every mechanism, beside the plain one. */
const properties = [
  'listeners={listeners},SASL_SSL://127.0.0.1:{port}',
  'sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
  'ssl.keystore.type=PEM',
  `ssl.keystore.location=${keystore}`,
  'listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice-secret";',
  'listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;',
  'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;',
  'listener.name.sasl_ssl.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";',
]

describeWithOwnKafka({ properties }, 'TLS and SASL with a real broker', (cluster) => {
  const clientProperties = (mechanism: string, jaas: string): Record<string, string> => ({
    'bootstrap.servers': cluster().extraListeners.get(1)!,
    'security.protocol': 'SASL_SSL',
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': certificate,
    'sasl.mechanism': mechanism,
    'sasl.jaas.config': jaas,
  })
  const open = (given: Record<string, string>) => openKafkaBroker(kafkaOptionsFromProperties(given, { readFile: (path) => readFileSync(path, 'utf8') }))
  const roundTrip = async (given: Record<string, string>) => {
    const broker = await open(given)
    try {
      const topic = `secured-${given['sasl.mechanism']!.toLowerCase()}`
      await broker.topics.create([{ topic }])
      const producer = await broker.openProducer()
      return await producer.append({ topic, value: Buffer.from('x') })
    } finally {
      await broker.close()
    }
  }
  const login = (password: string, user = 'alice') => `LoginModule required username="${user}" password="${password}";`

  beforeAll(async () => {
    if (!hasKafkaTools()) return
    await Promise.all(scramUsers.map(([mechanism, user]) => runKafkaTool('kafka.admin.ConfigCommand', [
      '--bootstrap-server', cluster().bootstrapServers, '--alter', '--entity-type', 'users', '--entity-name', user, '--add-config', `${mechanism}=[password=alice-secret]`,
    ])))
  }, 120_000)

  it('a user name and a password open the way by PLAIN', async () => {
    expect(await roundTrip(clientProperties('PLAIN', login('alice-secret')))).toMatchObject({ offset: 0 })
  }, 60_000)

  it.skipIf(!hasKafkaTools())('and by both kinds of SCRAM', async () => {
    for (const [mechanism, user] of scramUsers) expect(await roundTrip(clientProperties(mechanism, login('alice-secret', user)))).toMatchObject({ offset: 0 })
  }, 60_000)

  it('a token opens the way by OAUTHBEARER', async () => {
    expect(await roundTrip(clientProperties('OAUTHBEARER', `LoginModule required token="${unsignedToken()}";`))).toMatchObject({ offset: 0 })
  }, 60_000)

  it('a function that fetches tokens serves the other threads too', async () => {
    const given = clientProperties('OAUTHBEARER', '')
    const { ssl, brokers } = kafkaOptionsFromProperties({ ...given, 'sasl.mechanism': 'PLAIN', 'sasl.jaas.config': login('unused') }, { readFile: (path) => readFileSync(path, 'utf8') })
    let fetched = 0
    const token = () => {
      fetched++
      return Promise.resolve(unsignedToken())
    }
    const broker = await openKafkaBroker({ brokers, ssl: ssl!, sasl: { mechanism: 'OAUTHBEARER', token } })
    const before = fetched
    const shared = shareBroker(broker)
    const other = await openSharedBroker(shared.handle)
    expect((await other.describeCluster()).nodes).toHaveLength(1)
    expect(fetched).toBeGreaterThan(before)
    await Promise.all([other.close(), broker.close()])
    shared.close()
  }, 60_000)

  it('a wrong password is refused at once, and never shown', async () => {
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-256']) {
      const refusal = await open(clientProperties(mechanism, login('wrong-secret'))).catch((error: unknown) => error)
      expect(refusal).toMatchObject({ code: 'NOT_AUTHORIZED' })
      expect(String(refusal)).toMatch(/127\.0\.0\.1:\d+ refuses to authenticate us by /)
      expect(String(refusal)).not.toContain('wrong-secret')
    }
  }, 60_000)

  it('a certificate that nobody vouches for is an error that says so', async () => {
    const untrusting = Object.fromEntries(Object.entries(clientProperties('PLAIN', login('alice-secret'))).filter(([name]) => !name.startsWith('ssl.truststore')))
    await expect(open(untrusting)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE', message: expect.stringMatching(/self-signed certificate/) as string })
  }, 60_000)

  it('speaking in the clear to a TLS listener fails within the time-out', async () => {
    const options = { brokers: [cluster().extraListeners.get(1)!], connectionTimeoutMs: 2_000, requestTimeoutMs: 2_000 }
    await expect(openKafkaBroker(options)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
  }, 60_000)
})

function unsignedToken(): string {
  const seconds = Math.floor(systemClock.now() / 1_000)
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ sub: 'alice', iat: seconds, exp: seconds + 600 })}.`
}

function makeCertificate(): void {
  const key = join(home, 'key.pem')
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  const { status, stderr } = spawnSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, '-keyout', key, '-out', certificate], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`openssl cannot make a certificate: ${stderr}`)
  writeFileSync(keystore, readFileSync(key, 'utf8') + readFileSync(certificate, 'utf8'))
}
