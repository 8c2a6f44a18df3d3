import { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { randomInteger, seededRandom } from '../../../../src/core/random.ts'
import { copyHeaderBytes, tapCopyData } from '../../../../connectors/postgres/cdc/copy-tap.ts'

function message(tag: string, content: string): Buffer {
  const bytes = Buffer.alloc(copyHeaderBytes + Buffer.byteLength(content))
  bytes.write(tag)
  bytes.writeUInt32BE(bytes.length - 1, 1)
  bytes.write(content, copyHeaderBytes)
  return bytes
}

/** What pg would make of bytes that come in any pieces: the tags and contents of whole messages. */
function messagesIn(bytes: Buffer): string[] {
  const found: string[] = []
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + bytes.readUInt32BE(at + 1)
    found.push(String.fromCharCode(bytes[at]!) + bytes.toString('utf8', at + copyHeaderBytes, end))
    at = end
  }
  return found
}

function tapped(onPassed: (chunk: Buffer) => void = () => undefined) {
  const stream = new Duplex({ read() {}, write(_chunk, _encoding, done) { done() } })
  const passed: Buffer[] = []
  const order: string[] = []
  stream.on('data', (chunk: Buffer) => {
    passed.push(chunk)
    order.push(...messagesIn(chunk))
    onPassed(chunk)
  })
  const tap = tapCopyData(stream, (bytes, start, end) => void order.push(...messagesIn(Buffer.from(bytes.subarray(start, end)))))
  return { stream, tap, passed, order }
}

describe('tapCopyData', () => {
  it('takes copy data and passes everything else on, in order, however the bytes are cut', () => {
    const seed = Number(process.env['MILLRACE_SEED'] ?? 11)
    const random = seededRandom(seed)
    for (let run = 0; run < 100; run++) {
      const sent = Array.from({ length: 1 + randomInteger(random, 30) }, () => message(randomInteger(random, 3) === 0 ? 'N' : 'd', 'x'.repeat(randomInteger(random, 4) === 0 ? randomInteger(random, 1_000) : randomInteger(random, 8))))
      const bytes = Buffer.concat(sent)
      const { stream, order, passed } = tapped()
      for (let at = 0; at < bytes.length;) {
        const end = Math.min(bytes.length, at + 1 + randomInteger(random, run % 2 === 0 ? 7 : 2_000))
        stream.emit('data', Buffer.from(bytes.subarray(at, end)))
        at = end
      }
      expect(order, `seed ${seed}, run ${run}`).toEqual(messagesIn(bytes))
      expect(messagesIn(Buffer.concat(passed)).filter((each) => each.startsWith('d'))).toEqual([])
    }
  })

  it('lets go in the middle of a chunk: what follows is passed on as it is', () => {
    const { stream, tap, order } = tapped((chunk) => { if (chunk[0] === 0x43 /* C */) tap.close() })
    stream.emit('data', Buffer.concat([message('d', 'row'), message('C', 'COPY 1'), message('Z', 'I')]))
    stream.emit('data', message('d', 'of a statement that pg reads itself'))
    expect(order).toEqual(['drow', 'CCOPY 1', 'ZI', 'dof a statement that pg reads itself'])
    expect(stream.listenerCount('data')).toBe(1)
  })

  it('ends the connection when a length cannot be one', () => {
    for (const length of [3, 0xffff_ffff]) {
      const { stream, order } = tapped()
      stream.on('error', () => undefined)
      const bytes = message('d', 'row')
      bytes.writeUInt32BE(length, 1)
      stream.emit('data', bytes)
      expect(stream.destroyed).toBe(true)
      expect(order).toEqual([])
    }
  })
})
