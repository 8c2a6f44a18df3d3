import { describe, expect, it } from 'vitest'
import { kafkaOptionsFromProperties } from '../../../src/core/kafka/kafka-properties.ts'

const pem = '-----BEGIN CERTIFICATE-----\nAAAA\nBBBB\n-----END CERTIFICATE-----\n'
const files: Readonly<Record<string, string>> = { '/ca.pem': pem }
const context = {
  readFile(path: string): string {
    const found = files[path]
    if (found === undefined) throw new Error('no such file')
    return found
  },
}
const read = (properties: Record<string, string>) => kafkaOptionsFromProperties(properties, context)

describe('kafkaOptionsFromProperties', () => {
  it('reads servers, client id and time-outs, and leaves the properties of consumers and producers alone', () => {
    expect(read({ 'bootstrap.servers': 'a:1, b:2', 'client.id': 'me', 'request.timeout.ms': '500', 'group.id': 'g' })).toEqual({ brokers: ['a:1', 'b:2'], clientId: 'me', requestTimeoutMs: 500 })
    expect(read({})).toEqual({ brokers: [] })
  })

  it('reads user name and password out of a JAAS line, with escapes', () => {
    const jaas = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="ali ce" password="a\\"b;c";'
    expect(read({ 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': 'SCRAM-SHA-512', 'sasl.jaas.config': jaas })).toEqual({
      brokers: [],
      sasl: { mechanism: 'SCRAM-SHA-512', username: 'ali ce', password: 'a"b;c' },
    })
  })

  it('reads PEM certificates from a file and from one line', () => {
    expect(read({ 'security.protocol': 'SSL', 'ssl.truststore.type': 'PEM', 'ssl.truststore.location': '/ca.pem' }).ssl).toEqual({ ca: pem })
    expect(read({ 'security.protocol': 'SSL', 'ssl.truststore.type': 'PEM', 'ssl.truststore.certificates': pem.replaceAll('\n', ' ').trim() }).ssl).toEqual({ ca: pem })
  })

  it('names the property, and never the secret, when something is wrong', () => {
    const login = { 'security.protocol': 'SASL_SSL', 'sasl.jaas.config': 'x required username="u" password="hunter2";' }
    const wrong: [Record<string, string>, RegExp][] = [
      [{ 'security.protocol': 'TLS' }, /security\.protocol is TLS; it must be one of PLAINTEXT, SSL/],
      [{ ...login, 'sasl.mechanism': 'GSSAPI' }, /sasl\.mechanism is GSSAPI; it must be one of PLAIN/],
      [login, /sasl\.mechanism is GSSAPI \(its default\)/],
      [{ ...login, 'sasl.mechanism': 'PLAIN', 'sasl.jaas.config': 'x required password="hunter2";' }, /needs username="…" and password="…"/],
      [{ 'security.protocol': 'SSL', 'ssl.truststore.location': '/ca.jks' }, /ssl\.truststore\.type is JKS \(its default\); only PEM/],
      [{ 'security.protocol': 'SSL', 'ssl.truststore.type': 'PEM', 'ssl.truststore.location': '/gone.pem' }, /\/gone\.pem cannot be read: no such file/],
      [{ 'ssl.cipher.suites': 'x' }, /ssl\.cipher\.suites is not supported/],
      [{ 'request.timeout.ms': '5 s' }, /request\.timeout\.ms is "5 s"; give milliseconds/],
    ]
    for (const [properties, message] of wrong) {
      expect(() => read(properties)).toThrow(message)
      expect(() => read(properties)).not.toThrow(/hunter2/)
    }
  })
})
