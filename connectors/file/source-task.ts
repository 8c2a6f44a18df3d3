import type { ConnectHeader, SourceSpans, SourceTask, SourceTaskContext } from 'millrace/connect'
import { createHash } from 'node:crypto'
import { pathsOf } from './source-config.ts'
import type { FileSourceTaskConfig } from './source-config.ts'
import { ChangeHints } from './tail/change-hints.ts'
import { guardBytes, sourcePartitionOf } from './tail/file-identity.ts'
import type { FileIdentity } from './tail/file-identity.ts'
import { FileTailer } from './tail/file-tailer.ts'
import { SpanArena } from './tail/line-splitter.ts'
import { pathPattern } from './tail/path-pattern.ts'
import { offsetAfter } from './tail/tailed-file.ts'
import type { LineBlock, OverlongLine, TailedFile } from './tail/tailed-file.ts'

/** How long a poll that finds nothing waits at most: the worker wants to be asked back from time to time. */
const longestPollMs = 1_000

/** Reads lines of the files of its share; see the README beside this file for what it promises. */
export class FileSourceTask implements SourceTask<FileSourceTaskConfig> {
  readonly #spans = new SpanArena()
  #started: Started | undefined
  #nextRescanMs = 0

  start(config: FileSourceTaskConfig, context: SourceTaskContext): void {
    const include = pathsOf(config).map(pathPattern)
    const turnBytes = Math.floor(config['batch.bytes'] / 4)
    const options = {
      scope: { include, exclude: config.exclude.map(pathPattern) },
      isOurs: (base: string) => shareOf(base, config['task.shares']) === config['task.share'],
      isSpokesman: config['task.share'] === 0,
      startAtEnd: config['start.position'] === 'end',
      maxOpenFiles: config['max.open.files'],
      maxLineBytes: config['max.line.bytes'],
      rotatedIdleMs: config['rotated.idle.ms'],
      partialFlushMs: config['partial.flush.ms'] === 0 ? Number.POSITIVE_INFINITY : config['partial.flush.ms'],
      turnBytes,
    }
    const tailer = new FileTailer(options, (partitions) => context.offsets(partitions), context.log)
    const hints = new ChangeHints(context.clock)
    if (config.watch) hints.start(include, context.log)
    const buffer = Buffer.allocUnsafe(config['batch.bytes'] + guardBytes)
    this.#started = { config, context, tailer, hints, buffer, roomForTurn: turnBytes + guardBytes }
    this.#nextRescanMs = context.clock.monotonic()
  }

  async poll(signal: AbortSignal): Promise<readonly SourceSpans[] | null> {
    const { config, context: { clock }, tailer, hints } = this.#running()
    const deadlineMs = clock.monotonic() + longestPollMs
    for (;;) {
      if (hints.takeNamesChanged() || clock.monotonic() >= this.#nextRescanMs) {
        await tailer.rescan()
        this.#nextRescanMs = clock.monotonic() + config[tailer.isCrowded ? 'poll.interval.ms' : 'rescan.interval.ms']
      }
      const { spans, busy } = this.#takeBatch()
      if (spans.length > 0) return spans
      const leftMs = deadlineMs - clock.monotonic()
      if (leftMs <= 0 || signal.aborted) return null
      await hints.wait(busy ? 0 : Math.min(leftMs, config['poll.interval.ms']), signal)
    }
  }

  async stop(): Promise<void> {
    const started = this.#started
    this.#started = undefined
    started?.tailer.close()
    await started?.hints.close()
  }

  /** Turns of one log after the other, until the buffer is full or nobody has anything. */
  #takeBatch(): { spans: SourceSpans[]; busy: boolean } {
    const { context, tailer, buffer, roomForTurn } = this.#running()
    const nowMs = context.clock.now()
    const spans: SourceSpans[] = []
    this.#spans.clear()
    let at = 0
    while (buffer.length - at >= roomForTurn) {
      const turn = tailer.take(buffer, at, this.#spans, context.clock.monotonic())
      if (typeof turn !== 'object') return { spans, busy: turn === 'busy' }
      const given = turn.kind === 'lines' ? this.#linesOf(turn, nowMs) : this.#overlong(turn, nowMs)
      if (given !== undefined) spans.push(given)
      if (turn.bytes === buffer) at = turn.next - (turn as LineBlock).origin
    }
    return { spans, busy: false }
  }

  #linesOf(block: LineBlock, nowMs: number): SourceSpans {
    const { config } = this.#running()
    return {
      topic: config.topic,
      sourcePartition: partitionOf(block.file),
      bytes: block.bytes,
      spans: block.spans,
      recordCount: block.recordCount,
      valueType: valueType(config),
      timestamp: nowMs,
      headers: config.headers ? fileHeaders(block.file) : [],
      sourceOffset: (index) => offsetAfter(block, index),
    }
  }

  #overlong(line: OverlongLine, nowMs: number): SourceSpans | undefined {
    const { config, context } = this.#running()
    const { file, bytes, lineBytes, start, offset } = line
    const policy = config['line.too.long']
    context.log.warn(`${file.path}: the line at byte ${start} has ${lineBytes} bytes, more than max.line.bytes=${config['max.line.bytes']}: ${policy}`)
    if (policy === 'skip') return undefined
    const length = { key: 'file.line.bytes', schema: null, value: String(lineBytes) }
    const position = { key: 'file.position', schema: null, value: String(start) }
    return {
      topic: policy === 'truncate' ? config.topic : config['dead.letter.topic']!,
      sourcePartition: partitionOf(file),
      bytes,
      spans: Uint32Array.of(0, bytes.length),
      recordCount: 1,
      valueType: valueType(config),
      timestamp: nowMs,
      headers: policy === 'truncate' && !config.headers ? [length] : [length, position, ...fileHeaders(file)],
      sourceOffset: () => offset,
    }
  }

  #running(): Started {
    if (this.#started === undefined) throw new Error('the file source task is used before start or after stop')
    return this.#started
  }
}

interface Started {
  readonly config: FileSourceTaskConfig
  readonly context: SourceTaskContext
  readonly tailer: FileTailer
  readonly hints: ChangeHints
  /** Holds the lines of one poll. */
  readonly buffer: Buffer
  readonly roomForTurn: number
}

function partitionOf(file: TailedFile) {
  return sourcePartitionOf(file.identity as FileIdentity) // lines come from identified files only
}

function valueType(config: FileSourceTaskConfig): SourceSpans['valueType'] {
  return config.encoding === 'bytes' ? 'bytes' : 'string'
}

function fileHeaders({ path, device, inode }: TailedFile): readonly ConnectHeader[] {
  const facts = { 'file.path': path, 'file.device': device, 'file.inode': inode }
  return Object.entries(facts).map(([key, value]) => ({ key, schema: null, value }))
}

/** Which of `shares` tasks reads the log: the same answer in every task and after every restart. */
function shareOf(rotationBase: string, shares: number): number {
  return createHash('sha256').update(rotationBase).digest().readUInt32BE(0) % shares
}
