/**
 * Apache Kafka's FileStreamSource: one file, read on from where it was left, without rotation. It counts positions in bytes,
 * where upstream counts characters and so goes on at the wrong place after a line that is not ASCII.
 */
import { isUtf8 } from 'node:buffer'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { connectorError, schema, sleep } from 'millrace/connect'
import type { RawConfig, SourceConnector, SourceOffset, SourcePartition, SourcePoll, SourceTask, SourceTaskContext } from 'millrace/connect'
import type { FileStreamSourceConfig } from './file-stream-config.ts'

export class FileStreamSourceConnector implements SourceConnector<FileStreamSourceConfig> {
  start(): void {}

  taskConfigs(): readonly RawConfig[] {
    return [{}]
  }

  stop(): void {}

  supportsExactlyOnce({ file }: FileStreamSourceConfig): boolean {
    return file !== null && file !== ''
  }

  alterOffsets({ file }: FileStreamSourceConfig, offsets: readonly (readonly [SourcePartition, SourceOffset | null])[]): boolean {
    if (file === null || file === '') {
      throw connectorError("Offsets cannot be modified if the 'file' configuration is unspecified. This is because stdin is used for input and offsets are not tracked.")
    }
    for (const [partition, offset] of offsets) checkOffset(partition as SourcePartition | null, offset)
    return true
  }
}

/** Tools match on these texts. */
function checkOffset(partition: SourcePartition | null, offset: SourceOffset | null): void {
  if (offset === null) return
  if (!Object.hasOwn(offset, 'position')) throw connectorError("Offset objects should either be null or contain the key 'position'")
  const position = offset['position']
  if (typeof position !== 'number' || !Number.isSafeInteger(position)) {
    throw connectorError(`The value for the 'position' key in the offset is expected to be a Long value`)
  }
  if (position < 0) throw connectorError("The value for the 'position' key in the offset should be a non-negative value")
  if (partition === null) throw connectorError('Partition objects cannot be null')
  if (!Object.hasOwn(partition, 'filename')) throw connectorError("Partition objects should contain the key 'filename'")
}

const waitMs = 1_000
const chunkBytes = 256 * 1024
const maxLineBytes = 128 * 1024 * 1024
const newline = 10
const carriageReturn = 13
const lineSchema = schema.string()

/** Whole lines at the beginning of what was read. */
interface Lines {
  /** Pairs of begin and end. */
  readonly spans: number[]
  /** Behind the end of each line, where the next one begins. */
  readonly nexts: number[]
}

export class FileStreamSourceTask implements SourceTask<FileStreamSourceConfig> {
  #config: FileStreamSourceConfig | undefined
  #context: SourceTaskContext | undefined
  #handle: number | undefined
  #position = 0
  #sourcePartition: SourcePartition = {}
  /** Bytes from the position on that were read and hold no whole line yet, or lines that did not fit in the last batch. */
  #pending: Buffer = Buffer.alloc(0)
  #complained = false

  async start(config: FileStreamSourceConfig, context: SourceTaskContext): Promise<void> {
    if (config.file === null || config.file === '') {
      throw connectorError('FileStreamSource has no standard input here: a task runs in a thread of its own. Name a file in "file"')
    }
    this.#config = config
    this.#context = context
    this.#sourcePartition = { filename: config.file }
    const [stored] = await context.offsets([this.#sourcePartition])
    const position = stored?.['position']
    if (position !== undefined && (typeof position !== 'number' || position < 0)) throw connectorError(`the stored position of ${config.file} is ${String(position)}, not a number of bytes`)
    this.#position = position ?? 0
  }

  async poll(signal: AbortSignal): Promise<SourcePoll | null> {
    const context = this.#context!
    const lines = this.#open() ? this.#readLines() : undefined
    if (lines !== undefined && lines.nexts.length > 0) return this.#take(lines, context.clock.now())
    await sleep(context.clock, waitMs, signal)
    return null
  }

  stop(): void {
    if (this.#handle !== undefined) closeSync(this.#handle)
    this.#handle = undefined
  }

  #open(): boolean {
    if (this.#handle !== undefined) return true
    const file = this.#config!.file!
    try {
      this.#handle = openSync(file, 'r')
      return true
    } catch (error) {
      if (!this.#complained) this.#context!.log.warn(`${file} cannot be read (${(error as NodeJS.ErrnoException).code}); it is tried again every second`)
      this.#complained = true
      return false
    }
  }

  #readLines(): Lines {
    const lines: Lines = { spans: [], nexts: [] }
    do findLines(this.#pending, lines, this.#config!['batch.size'])
    while (lines.nexts.length < this.#config!['batch.size'] && this.#readMore())
    return lines
  }

  #readMore(): boolean {
    const from = this.#position + this.#pending.length
    const available = fstatSync(this.#handle!).size - from
    if (available <= 0) return false
    if (this.#pending.length > maxLineBytes) throw connectorError(`${this.#config!.file}: the line at byte ${this.#position} is longer than ${maxLineBytes} bytes`)
    const chunk = Buffer.allocUnsafe(Math.min(available, Math.max(chunkBytes, this.#pending.length)))
    const got = readSync(this.#handle!, chunk, 0, chunk.length, from)
    this.#pending = Buffer.concat([this.#pending, chunk.subarray(0, got)])
    return got > 0
  }

  /** As they are where they are text; otherwise bytes that are none become U+FFFD, as upstream has it. */
  #take({ spans, nexts }: Lines, nowMs: number): SourcePoll {
    const { topic } = this.#config!
    const [position, sourcePartition] = [this.#position, this.#sourcePartition]
    const bytes = this.#pending.subarray(0, nexts.at(-1))
    this.#pending = this.#pending.subarray(bytes.length)
    this.#position += bytes.length
    const sourceOffset = (index: number): SourceOffset => ({ position: position + nexts[index]! })
    if (isUtf8(bytes)) return { topic, sourcePartition, bytes, spans: Uint32Array.from(spans), recordCount: nexts.length, valueType: 'string', timestamp: nowMs, sourceOffset }
    return nexts.map((_, index) => ({
      topic, sourcePartition, sourceOffset: sourceOffset(index), valueSchema: lineSchema, value: bytes.toString('utf8', spans[2 * index], spans[2 * index + 1]), timestamp: nowMs,
    }))
  }
}

/** Adds the lines behind those that are known, up to `most`. They end with \n, \r or \r\n, as upstream has it; a \r at the end of what is there waits for the next byte. */
function findLines(bytes: Buffer, { spans, nexts }: Lines, most: number): void {
  let start = nexts.at(-1) ?? 0
  let [feed, carriage] = [-1, -1]
  while (nexts.length < most) {
    if (feed < start) feed = nextOf(bytes, newline, start)
    if (carriage < start) carriage = nextOf(bytes, carriageReturn, start)
    const end = Math.min(feed, carriage)
    if (end === Infinity || (end === carriage && end + 1 === bytes.length)) return
    spans.push(start, end)
    start = end === carriage && feed === end + 1 ? end + 2 : end + 1
    nexts.push(start)
  }
}

function nextOf(bytes: Buffer, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from)
  return at < 0 ? Infinity : at
}
