import { describe, expect, it } from 'vitest'
import { zstdCodec } from '../../../src/core/log/zstd-codec.ts'
import { zstdFrameAt } from '../../../src/core/log/zstd-frame.ts'
import { isStreamError } from '../../../src/core/errors.ts'

const code = (name: string) => expect.toSatisfy((error) => isStreamError(error) && error.code === name) as unknown as Error
const u32 = (value: number) => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24]
/** A frame without the size of its content: magic, descriptor, window of 1 MiB, blocks. */
const streamed = (...blocks: readonly number[][]) => Uint8Array.from([...u32(0xfd2fb528), 0, 0x50, ...blocks.flat()])
const block = (last: boolean, type: number, size: number, ...content: number[]) => {
  const header = (size << 3) | (type << 1) | Number(last)
  return [header & 255, (header >>> 8) & 255, header >>> 16, ...content]
}

describe('zstdFrameAt', () => {
  it('tells the size of a frame, and the most that it can give, from its headers', () => {
    const frame = zstdCodec.deflate(Buffer.alloc(300_000, 'abc'))
    expect(zstdFrameAt(frame, 0)).toEqual({ sizeBytes: frame.length, maxInflatedBytes: 300_000 })
    const two = Buffer.concat([frame, zstdCodec.deflate(Buffer.from('tail'))])
    expect(zstdFrameAt(two, frame.length)).toEqual({ sizeBytes: two.length - frame.length, maxInflatedBytes: 4 })
  })

  it('counts blocks where the size of the content is not written', () => {
    const frame = streamed(block(false, 0, 3, 1, 2, 3), block(false, 1, 1000, 7), block(true, 0, 1, 9))
    expect(zstdFrameAt(frame, 0)).toEqual({ sizeBytes: frame.length, maxInflatedBytes: 1004 })
    expect([...zstdCodec.inflate(frame, 1004)]).toEqual([1, 2, 3, ...Array.from({ length: 1000 }, () => 7), 9])
  })

  it('knows no frame in what is cut, and none in a block of a reserved kind or impossible size', () => {
    const frame = streamed(block(true, 0, 3, 1, 2, 3))
    for (let end = 0; end < frame.length; end++) expect(zstdFrameAt(frame.subarray(0, end), 0)).toBeNull()
    expect(zstdFrameAt(streamed(block(true, 3, 1, 1)), 0)).toBeNull()
    expect(zstdFrameAt(streamed(block(true, 1, 131_073, 1)), 0)).toBeNull()
  })
})

describe('zstdCodec', () => {
  it('inflates frames that follow each other, and passes over skippable ones', () => {
    const skippable = Uint8Array.from([...u32(0x184d2a53), ...u32(3), 1, 2, 3])
    const bytes = Buffer.concat([zstdCodec.deflate(Buffer.from('one ')), skippable, zstdCodec.deflate(Buffer.from('two'))])
    expect(Buffer.from(zstdCodec.inflate(bytes, 100)).toString()).toBe('one two')
  })

  it('refuses anything else behind a frame, and no frame at all', () => {
    const frame = zstdCodec.deflate(Buffer.from('content'))
    expect(() => zstdCodec.inflate(Buffer.concat([frame, Buffer.from('garbage')]), 100)).toThrow(code('CORRUPT_RECORD'))
    expect(() => zstdCodec.inflate(new Uint8Array(0), 100)).toThrow(code('CORRUPT_RECORD'))
  })

  it('refuses a bomb, with the size of its content and without, before it is inflated', () => {
    const bomb = zstdCodec.deflate(Buffer.alloc(50_000_000))
    expect(() => zstdCodec.inflate(bomb, 1_000_000)).toThrow(code('RECORD_TOO_LARGE'))
    const runs = Array.from({ length: 1000 }, (_, i) => block(i === 999, 1, 131_072, 0))
    expect(() => zstdCodec.inflate(streamed(...runs), 1_000_000)).toThrow(code('RECORD_TOO_LARGE'))
    const frames = Buffer.concat(Array.from({ length: 20 }, () => zstdCodec.deflate(Buffer.alloc(100_000))))
    expect(() => zstdCodec.inflate(frames, 1_000_000)).toThrow(code('RECORD_TOO_LARGE'))
  })
})
