import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { clientProperties } from '../../../src/connect/index.ts'
import { temporaryDirectory } from './connect-kit.ts'

it('a worker that names no cluster has no connection', () => {
  expect(clientProperties({ 'group.id': 'connect' })).toBeNull()
  expect(clientProperties({ 'bootstrap.servers': ' ', 'security.protocol': 'SSL' })).toBeNull()
})

it('the settings of the connection are taken out of the worker\'s config, with their secrets filled in', () => {
  const file = join(temporaryDirectory(), 'secrets.properties')
  writeFileSync(file, 'password=hidden\n')
  const config = {
    'bootstrap.servers': 'a:9092,b:9092', 'group.id': 'connect', 'producer.sasl.mechanism': 'PLAIN', 'config.providers': 'file', 'security.protocol': 'SASL_SSL',
    'ssl.truststore.type': 'PEM', 'sasl.jaas.config': `LoginModule required username="alice" password="\${file:${file}:password}";`,
  }
  expect(clientProperties(config)).toEqual({
    'bootstrap.servers': 'a:9092,b:9092', 'security.protocol': 'SASL_SSL', 'ssl.truststore.type': 'PEM', 'sasl.jaas.config': 'LoginModule required username="alice" password="hidden";',
  })
})
