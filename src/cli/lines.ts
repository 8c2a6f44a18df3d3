import { StreamError } from '../core/index.ts'

const lineFeed = 0x0a
const carriageReturn = 0x0d
/** No topic takes a record of this size unless it was configured to. */
const defaultMaxLineBytes = 64 * 1024 * 1024

/**
 * Cuts bytes into lines, handed on by the piece they came in; a line may end in CR LF, and the last one may lack its end.
 * Bytes stay bytes: a line need not be text. @throws RECORD_TOO_LARGE for a line that is longer than `maxLineBytes`
 */
export async function* readLines(input: AsyncIterable<Uint8Array>, maxLineBytes = defaultMaxLineBytes): AsyncGenerator<readonly Uint8Array[]> {
  let partial: Uint8Array[] = []
  let partialBytes = 0
  let lineNumber = 1
  for await (const chunk of input) {
    const lines: Uint8Array[] = []
    let start = 0
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, start)) {
      lines.push(withoutReturn(joined(partial, chunk.subarray(start, end))))
      partial = []
      partialBytes = 0
      start = end + 1
    }
    lineNumber += lines.length
    if (start < chunk.length) partial.push(chunk.subarray(start))
    partialBytes += chunk.length - start
    if (partialBytes > maxLineBytes) throw new StreamError('RECORD_TOO_LARGE', `line ${lineNumber} of the input is longer than ${maxLineBytes} bytes`, { details: { line: lineNumber } })
    if (lines.length > 0) yield lines
  }
  if (partialBytes > 0) yield [withoutReturn(joined(partial, new Uint8Array()))]
}

function joined(partial: readonly Uint8Array[], rest: Uint8Array): Uint8Array {
  return partial.length === 0 ? rest : Buffer.concat([...partial, rest])
}

function withoutReturn(line: Uint8Array): Uint8Array {
  return line.at(-1) === carriageReturn ? line.subarray(0, -1) : line
}
