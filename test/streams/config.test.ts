import { describe, expect, it } from 'vitest'
import type { Broker } from '../../src/core/index.ts'
import { resolveConfig } from '../../src/streams/config.ts'
import type { StreamsConfig } from '../../src/streams/config.ts'

const needed = { applicationId: 'app', broker: {} as Broker }

describe('the settings of an application', () => {
  it.each([
    [{ broker: null }, 'broker is missing; an application needs applicationId and broker'],
    [{ commitIntervall: 5 }, 'commitIntervall is not a setting of an application; did you mean commitInterval?'],
    [{ onFailure: 'replace' }, `onFailure is "replace", but must be a function, as in () => 'replace'`],
    [{ onRestore: true }, 'onRestore is true, but must be a function'],
    [{ deadLetterTopic: '' }, 'the name "" cannot be used: it is empty'],
    [{ stateDirectory: 5 }, 'stateDirectory is 5, but must be the path of a directory'],
    [{ endpoint: 'my host' }, 'endpoint is "my host", but must be an address such as 10.0.0.5:8080 or http://host:8080'],
  ])('refuse %j with a sentence', (wrong, sentence) => {
    expect(() => resolveConfig({ ...needed, ...wrong } as unknown as StreamsConfig)).toThrow(sentence)
  })

  it('have defaults for all but two', () => {
    expect(resolveConfig(needed)).toMatchObject({ guarantee: 'exactly-once', commitIntervalMs: 100, deadLetterTopic: null, stateDirectory: null })
    expect(resolveConfig({ ...needed, guarantee: 'at-least-once', onProcessingError: 'dead-letter' })).toMatchObject({ commitIntervalMs: 30_000, deadLetterTopic: 'app-dead-letter' })
  })
})
