import type { SourcePoll, SourcePosition, SourceSpans, SourceTask, SourceTaskContext } from 'millrace/connect'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { entryRuleOf, lineFormatOf } from './formats/format-config.ts'
import { parseFieldTypes } from './formats/field-types.ts'
import type { LineItem } from './lines/line-records.ts'
import { LineRecords } from './lines/line-records.ts'
import { LineSpans } from './lines/line-spans.ts'
import { pathsOf } from './source-config.ts'
import type { FileSourceTaskConfig } from './source-config.ts'
import { ChangeHints } from './tail/change-hints.ts'
import { guardBytes } from './tail/file-identity.ts'
import { Housekeeper } from './tail/housekeeper.ts'
import { FileTailer } from './tail/file-tailer.ts'
import { SpanArena } from './tail/line-splitter.ts'
import { pathPattern } from './tail/path-pattern.ts'
import type { LineBlock, OverlongLine } from './tail/tailed-file.ts'

/** How long a poll that finds nothing waits at most: the worker wants to be asked back from time to time. */
const longestPollMs = 1_000

/** Between two looks for stored positions of files that are gone. */
const longestCollectMs = 600_000

interface Started {
  readonly config: FileSourceTaskConfig
  readonly context: SourceTaskContext
  readonly tailer: FileTailer
  readonly hints: ChangeHints
  readonly housekeeper: Housekeeper
  /** For lines that are passed on as they are; */
  readonly spans: LineSpans
  /** for all others. */
  readonly records: LineRecords | undefined
  /** Holds the lines of one poll. */
  readonly buffer: Buffer
  readonly roomForTurn: number
}

type SourceItem = SourceSpans | LineItem

interface Batch {
  /** Undefined: there are none. */
  readonly items: Iterable<SourceItem> | undefined
  readonly busy: boolean
}

/** Reads lines of the files of its share; see the README beside this file for what it promises. */
export class FileSourceTask implements SourceTask<FileSourceTaskConfig> {
  readonly #arena = new SpanArena()
  #started: Started | undefined
  readonly #stopping = new AbortController()
  #nextRescanMs = 0
  #nextCollectMs = 0

  async start(config: FileSourceTaskConfig, context: SourceTaskContext): Promise<void> {
    const include = pathsOf(config).map(pathPattern)
    const records = lineRecordsOf(config, context)
    const batchBytes = records === undefined ? config['batch.bytes'] : mappedBatchBytes(config['batch.bytes'])
    const turnBytes = Math.floor(batchBytes / 4)
    const options = {
      scope: { include, exclude: config.exclude.map(pathPattern), compressed: config.compressed },
      isOurs: (base: string) => shareOf(base, config['task.shares']) === config['task.share'],
      isSpokesman: config['task.share'] === 0,
      isEmptied: config['cleanup.policy'] !== 'none',
      startAtEnd: config['start.position'] === 'end',
      isTooOld: tooOld(config['ignore.older.ms'], context),
      maxOpenFiles: config['max.open.files'],
      countLines: config['headers.line'],
      maxLineBytes: config['max.line.bytes'],
      rotatedIdleMs: config['rotated.idle.ms'],
      partialFlushMs: config['partial.flush.ms'] === 0 ? Number.POSITIVE_INFINITY : config['partial.flush.ms'],
      turnBytes,
      encoding: config.encoding,
      spool: { folder: config['temporary.folder'] ?? tmpdir(), maxBytes: config['compressed.max.bytes'], signal: this.#stopping.signal },
    }
    const tailer = new FileTailer(options, context, context.log)
    context.gauge({ name: 'file_lag_bytes', help: 'Bytes that stand in the files and were not read yet.' }, () => tailer.unreadBytes)
    context.gauge({ name: 'file_count', help: 'Files that are followed.' }, () => tailer.files.length)
    const hints = new ChangeHints(context.clock)
    if (config.watch) await hints.start(include, context.log)
    const buffer = Buffer.allocUnsafe(batchBytes + guardBytes)
    const housekeeper = new Housekeeper({
      policy: config['cleanup.policy'],
      folder: config['cleanup.folder'] === null ? null : resolve(config['cleanup.folder']),
      idleMs: config['cleanup.idle.ms'],
      forgetAfterMs: config['forget.after.ms'],
      isOurs: options.isOurs,
    }, context.log)
    this.#started = { config, context, tailer, hints, housekeeper, spans: lineSpansOf(config), records, buffer, roomForTurn: turnBytes + guardBytes }
    this.#nextRescanMs = context.clock.monotonic()
  }

  async poll(signal: AbortSignal): Promise<SourcePoll | null> {
    const { config, context: { clock }, tailer, hints } = this.#running()
    const deadlineMs = clock.monotonic() + longestPollMs
    for (;;) {
      if (hints.takeNamesChanged() || clock.monotonic() >= this.#nextRescanMs) {
        await tailer.rescan()
        const positions = [...tailer.takePositions(), ...await this.#keepHouse()]
        this.#nextRescanMs = clock.monotonic() + config[tailer.isCrowded ? 'poll.interval.ms' : 'rescan.interval.ms']
        if (positions.length > 0) return positions
      }
      const { items, busy } = this.#takeBatch()
      if (items !== undefined) return items
      const leftMs = deadlineMs - clock.monotonic()
      if (leftMs <= 0 || signal.aborted) return null
      await hints.wait(busy ? 0 : Math.min(leftMs, config['poll.interval.ms']), signal)
    }
  }

  async stop(): Promise<void> {
    const started = this.#started
    this.#started = undefined
    this.#stopping.abort()
    started?.tailer.close()
    await started?.hints.close()
  }

  /** Needs all stored offsets, so it is done at times, not at every look; cleaning up waits for commits, so that it is done at each. */
  async #keepHouse(): Promise<readonly SourcePosition[]> {
    const { config, context, tailer, housekeeper } = this.#running()
    const nowMs = context.clock.monotonic()
    const isCollectDue = nowMs >= this.#nextCollectMs
    if (config['cleanup.policy'] === 'none' && !isCollectDue) return []
    const stored = await context.allOffsets()
    if (config['cleanup.policy'] !== 'none') housekeeper.clean(tailer.files, stored, nowMs)
    if (!isCollectDue) return []
    this.#nextCollectMs = nowMs + Math.max(1, Math.min(longestCollectMs, config['forget.after.ms'] / 4))
    return housekeeper.collect(tailer.files, stored, nowMs)
  }

  /** Turns of one log after the other, until the buffer is full or nobody has anything. */
  #takeBatch(): Batch {
    const { context: { clock }, tailer, records, buffer, roomForTurn } = this.#running()
    const nowMs = clock.now()
    const parts: Iterable<SourceItem>[] = []
    let busy = false
    this.#arena.clear()
    let at = 0
    while (buffer.length - at >= roomForTurn) {
      const turn = tailer.take(buffer, at, this.#arena, clock.monotonic())
      if (typeof turn !== 'object') {
        busy = turn === 'busy'
        break
      }
      const part = turn.kind === 'lines' ? this.#linesOf(turn, nowMs) : this.#overlong(turn, nowMs)
      if (!Array.isArray(part) || part.length > 0) parts.push(part)
      if (turn.bytes === buffer) at = turn.next - (turn as LineBlock).origin
    }
    if (records?.isWaiting === true) {
      const waited = records.flush(nowMs, clock.monotonic())
      if (waited.length > 0) parts.push(waited)
    }
    return { items: parts.length === 0 ? undefined : together(parts), busy }
  }

  #linesOf(block: LineBlock, nowMs: number): Iterable<SourceItem> {
    const { records, spans, context } = this.#running()
    return records === undefined ? spans.ofBlock(block, nowMs) : records.ofBlock(block, nowMs, context.clock.monotonic())
  }

  #overlong(line: OverlongLine, nowMs: number): readonly SourceItem[] {
    const { config, context, records, spans } = this.#running()
    const policy = config['line.too.long']
    context.log.warn(`${line.file.path}: the line at byte ${line.start} has ${line.lineBytes} bytes, more than max.line.bytes=${config['max.line.bytes']}: ${policy}`)
    if (policy === 'skip') return records?.ofSkipped(line, nowMs) ?? [{ sourcePartition: line.sourcePartition, sourceOffset: line.offset }]
    if (records === undefined) return [spans.ofOverlong(line, policy, nowMs)]
    if (policy === 'truncate') return records.ofTruncated(line, nowMs, context.clock.monotonic())
    return records.ofDeadLetter(line, nowMs)
  }

  #running(): Started {
    if (this.#started === undefined) throw new Error('the file source task is used before start or after stop')
    return this.#started
  }
}

/** One behind the other, each asked for its items when its turn comes. */
function* together(parts: readonly Iterable<SourceItem>[]): Generator<SourceItem, void> {
  for (const part of parts) yield* part
}

/** Values of lines take several times as much memory as the lines. */
function mappedBatchBytes(batchBytes: number): number {
  return Math.max(4_096, Math.floor(batchBytes / 4))
}

function lineSpansOf(config: FileSourceTaskConfig): LineSpans {
  return new LineSpans({
    topic: config.topic,
    deadLetterTopic: config['dead.letter.topic'],
    valueType: config.encoding === 'bytes' ? 'bytes' : 'string',
    invalidBytes: config['invalid.bytes'],
    withFileHeaders: config.headers,
  })
}

/** Undefined where the bytes of a line are its record. */
function lineRecordsOf(config: FileSourceTaskConfig, { clock, log }: SourceTaskContext): LineRecords | undefined {
  const format = lineFormatOf(config, () => clock.now())
  const entryRule = entryRuleOf(config)
  const passesBytes = config.encoding === 'utf-8' || config.encoding === 'bytes'
  if (format === null && entryRule === null && passesBytes && !config['headers.position'] && !config['headers.line']) return undefined
  const isCsv = config.format === 'csv' || config.format === 'tsv'
  return new LineRecords({
    topic: config.topic,
    deadLetterTopic: config['dead.letter.topic'],
    encoding: config.encoding,
    invalidBytes: config['invalid.bytes'],
    format,
    fieldTypes: parseFieldTypes(config['field.types']),
    timestampField: config['timestamp.field'],
    entryRule,
    limits: {
      maxLines: isCsv ? Number.POSITIVE_INFINITY : config['multiline.max.lines'],
      maxBytes: isCsv ? config['max.line.bytes'] : config['multiline.max.bytes'],
      timeoutMs: config['multiline.timeout.ms'],
    },
    maxLineBytes: config['max.line.bytes'],
    badLine: config['bad.line'],
    withFileHeaders: config.headers,
    withPosition: config['headers.position'],
    withLine: config['headers.line'],
    warn: (text) => log.warn(text),
  })
}

/** By the time of the last change, in nanoseconds since the epoch. */
function tooOld(ignoreOlderMs: number, { clock }: SourceTaskContext): (modifiedNs: bigint) => boolean {
  return (modifiedNs) => ignoreOlderMs > 0 && Number(modifiedNs / 1_000_000n) < clock.now() - ignoreOlderMs
}

/** Which of `shares` tasks reads the log: the same answer in every task and after every restart. */
function shareOf(rotationBase: string, shares: number): number {
  return shares === 1 ? 0 : createHash('sha256').update(rotationBase).digest().readUInt32BE(0) % shares
}
