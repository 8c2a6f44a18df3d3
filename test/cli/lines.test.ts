import { describe, expect, it } from 'vitest'
import { readLines } from '../../src/cli/lines.ts'

async function linesOf(chunks: readonly string[], maxLineBytes?: number): Promise<readonly string[]> {
  async function* input() {
    for (const chunk of chunks) yield Buffer.from(chunk)
  }
  const lines: string[] = []
  for await (const piece of readLines(input(), maxLineBytes)) lines.push(...piece.map((line) => Buffer.from(line).toString()))
  return lines
}

describe('readLines()', () => {
  it('cuts at line ends wherever the pieces of input begin', async () => {
    expect(await linesOf(['one\ntw', 'o\n', 'th', 're', 'e\n\nfive'])).toEqual(['one', 'two', 'three', '', 'five'])
  })

  it('takes CR LF for one line end, also when it comes in two pieces', async () => {
    expect(await linesOf(['a\r\nb\r', '\nc\rd\r\n'])).toEqual(['a', 'b', 'c\rd'])
  })

  it('gives no line for empty input, and none after the last line end', async () => {
    expect(await linesOf([])).toEqual([])
    expect(await linesOf(['a\n'])).toEqual(['a'])
  })

  it('keeps bytes that are no text', async () => {
    async function* input() {
      yield Uint8Array.of(0xff, 0x00, 0x0a)
    }
    for await (const lines of readLines(input())) expect(lines.map((line) => [...line])).toEqual([[0xff, 0x00]])
  })

  it('refuses a line beyond the limit before it has all of it, and names the line', async () => {
    await expect(linesOf(['a\n', 'b'.repeat(60), 'b'.repeat(60)], 100)).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE', message: expect.stringContaining('line 2') as string })
  })
})
