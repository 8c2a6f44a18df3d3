import { describe, expect, it } from 'vitest'
import { readDeadLetter } from '../../src/core/index.ts'

const header = (key: string, text: string) => ({ key, value: Buffer.from(text) })
const record = (...headers: ReturnType<typeof header>[]) => ({ offset: 0, timestamp: 0, key: null, value: Buffer.from('v'), headers })

describe('readDeadLetter()', () => {
  it('reads where a record of streams came from and why, and keeps its own headers apart', () => {
    const own = header('trace', 'x')
    expect(readDeadLetter(record(own, header('__streams.errors.exception', 'RangeError'), header('__streams.errors.message', 'too far'), header('__streams.errors.topic', 'hits'), header('__streams.errors.partition', '3'), header('__streams.errors.offset', '17')))).toEqual({
      origin: { topic: 'hits', partition: 3, offset: 17 }, error: 'RangeError', message: 'too far', hasRecord: true, headers: [own],
    })
  })

  it('reads those of connect', () => {
    const found = readDeadLetter(record(header('__connect.errors.topic', 'hits'), header('__connect.errors.partition', '0'), header('__connect.errors.offset', '5'), header('__connect.errors.exception.class.name', 'INVALID_DATA'), header('__connect.errors.exception.message', 'no number')))
    expect(found).toEqual({ origin: { topic: 'hits', partition: 0, offset: 5 }, error: 'INVALID_DATA', message: 'no number', hasRecord: true, headers: [] })
  })

  it('reads why where nobody says from which record: a line of a file, say', () => {
    const found = readDeadLetter(record(header('file.position', '8'), header('__connect.errors.exception.class.name', 'INVALID_DATA'), header('__connect.errors.exception.message', 'app.log, byte 8: not JSON')))
    expect(found).toMatchObject({ origin: null, error: 'INVALID_DATA', message: 'app.log, byte 8: not JSON', hasRecord: true, headers: [{ key: 'file.position' }] })
  })

  it('has no record where Kafka Streams had none at hand: neither key nor value', () => {
    const about = [header('__streams.errors.topic', 'hits'), header('__streams.errors.partition', '3'), header('__streams.errors.offset', '17')]
    expect(readDeadLetter({ ...record(...about), value: null }).hasRecord).toBe(false)
    expect(readDeadLetter({ ...record(...about), key: Buffer.from('k'), value: null }).hasRecord).toBe(true)
  })

  it('has no origin where the headers do not say, or say nonsense', () => {
    expect(readDeadLetter(record(header('trace', 'x'))).origin).toBeNull()
    expect(readDeadLetter(record(header('__streams.errors.topic', 'hits'), header('__streams.errors.partition', '-1'), header('__streams.errors.offset', '5'))).origin).toBeNull()
  })
})
