import { RecordsAhead, StreamError } from '../../core/index.ts'
import type { ReadBlock, RecordBatch, RecordReader, RecordView } from '../../core/index.ts'
import { argumentsSeen, memberSeen } from '../operators/run-source.ts'
import { RecordHead } from '../record-head.ts'
import type { BatchPass, HeadRun, RunAhead } from '../record-head.ts'
import { InputOrigin, unread } from '../stream-record.ts'
import type { InputBatch, InputPlace, RecordOrigin, StreamRecord } from '../stream-record.ts'
import type { SourceNode } from '../topology/node.ts'
import type { LookAhead } from './look-ahead.ts'
import { ViewReader } from './view-reader.ts'

export interface RecordQueueOptions {
  readonly topic: string
  readonly partition: number
  readonly source: SourceNode
  /** False: nothing looks at a value that can be read, so it need not be. Asked for each batch. */
  readonly seesValues: () => boolean
  /** Hears of each record that will be processed. null: nothing is looked up by their keys. */
  readonly lookAhead: LookAhead | null
  /** A key or value could not be read. True: leave the record out; false: `failure` is thrown. */
  readonly onDeserializationError: (view: RecordView, origin: RecordOrigin, error: unknown) => boolean
  /** The function that takes timestamps threw. True: leave the record out; false: `failure` is thrown. */
  readonly onTimestampError: (record: StreamRecord, error: unknown) => boolean
  /** A record was left out because its timestamp is negative. */
  readonly onDropped: (reason: string) => void
}

/**
 * The records of one input partition, in the order of offsets. Batches are decoded record by record, one ahead of what was
 * taken: the timestamp of the next record decides which partition of the task goes on.
 */
export class RecordQueue {
  readonly #options: RecordQueueOptions
  readonly #place: InputPlace
  readonly #batches: RecordBatch[] = []
  /** The batch that is begun. */
  #batch: InputBatch | null = null
  /** What batches were read into that are at their end; the last one read may still be shown by `head`, or by what `head` was before. */
  #left: ReadBlock[] = []
  /** Values of this batch may be `unread`. */
  #leavesValues = false
  /** What `head` shows. */
  #next = new RecordHead()
  /** What it showed before. */
  #taken = new RecordHead()
  readonly #seesValueAlone: boolean
  /** The member of the value that is all that the timestamp's function looks at. */
  readonly #timeMember: string | null
  /** null: none were read together yet. */
  #together: RecordsAhead | null = null
  #hasNext = false
  #buffered = 0
  #endOffset = -1
  /** Largest timestamp taken so far; -1 at first. */
  partitionTime = -1

  constructor(options: RecordQueueOptions) {
    const { topic, partition, source: { keySerde, valueSerde, timestampExtractor } } = options
    this.#options = options
    this.#place = { topic, partition, keySerde, valueSerde }
    this.#seesValueAlone = timestampExtractor !== null && argumentsSeen(timestampExtractor) < 2
    this.#timeMember = timestampExtractor === null ? null : memberSeen(timestampExtractor)
  }

  get source(): SourceNode {
    return this.#options.source
  }

  get topic(): string {
    return this.#options.topic
  }

  get partition(): number {
    return this.#options.partition
  }

  /** Records that were added and not taken; those of a batch that is only begun are estimated. */
  get buffered(): number {
    return Math.max(0, this.#buffered) + (this.#hasNext ? 1 : 0)
  }

  /** The record that is next, or null; what it shows stays until the record after it is passed by. */
  get head(): RecordHead | null {
    return this.#hasNext ? this.#next : null
  }

  /** The next offset to process: that of the head, or where reading goes on; -1 when nothing was ever added. */
  get nextOffset(): number {
    return this.#hasNext ? this.#next.offset : this.#endOffset
  }

  /** `nextOffset` is where the next batches begin. @throws DESERIALIZATION_FAILED, PROCESSING_FAILED by a timestamp extractor */
  add(batches: Iterable<RecordBatch>, nextOffset: number): void {
    for (const batch of batches) {
      this.#batches.push(batch)
      this.#buffered += batch.recordCount
    }
    this.#endOffset = nextOffset
    if (!this.#hasNext) this.#advance()
  }

  /** Goes on to the next record: what the head shows was taken. */
  pass(): void {
    const taken = this.#next
    const { timestamp } = taken
    this.#next = this.#taken
    this.#taken = taken
    if (timestamp > this.partitionTime) this.partitionTime = timestamp
    this.#advance()
  }

  /**
   * Has up to `limit` records processed: the head, and what follows it in its batch by the run itself; answers how many. Only while no other input has any: no
   * head is chosen in between.
   */
  goThrough(run: HeadRun, turn: Pick<BatchPass, 'inputs' | 'context' | 'nowMs'>, limit: number): number {
    const { inputs, context, nowMs } = turn
    const head = this.#next
    const { timestamp } = head
    if (timestamp > this.partitionTime) this.partitionTime = timestamp
    if (timestamp > inputs.streamTime) inputs.streamTime = timestamp
    context.beginHead(head, nowMs, inputs.streamTime)
    run(head.value, head.key, timestamp, head.headers, head.batch!, head.offset, head.mark)
    // Where many may be taken ahead, one that cannot be is the head of those behind it.
    const ahead = this.#leavesValues && this.#options.source.timestampExtractor === null ? run.ahead : null
    let count = 0
    if (ahead === null) count = run.goThrough(this.#pass(head, turn), limit - 1)
    else if (ahead.pause > 0) {
      count = run.goThrough(this.#pass(head, turn), Math.min(limit, ahead.pause) - 1)
      ahead.pause -= count + 1
    } else if (!inputs.isOver) count = this.#takeAhead(ahead, inputs, limit - 2)
    this.#buffered -= count
    this.#next = this.#taken
    this.#taken = head
    this.#advance()
    return count + 1
  }

  #pass(head: RecordHead, { inputs, context, nowMs }: Pick<BatchPass, 'inputs' | 'context' | 'nowMs'>): BatchPass {
    const { source: { timestampExtractor, rejectsNullKey }, lookAhead } = this.#options
    const batch = head.batch!
    const leavesValues = this.#leavesValues
    const timeMember = leavesValues ? this.#timeMember : null
    const isPlain = (timestampExtractor === null || timeMember !== null) && readsInPlace(batch.reader)
    const isTogether = isPlain && timeMember === null && lookAhead === null && readsTogether(this.#place, batch.reader)
    const together = isTogether ? (this.#together ??= new RecordsAhead(!rejectsNullKey, mostTogether)) : null
    return { batch, head, queue: this, inputs, context, nowMs, isPlain, together, takesNullKeys: !rejectsNullKey, leavesValues, timeMember, lookAhead }
  }

  /**
   * Up to `limit` records behind the head are taken together, before it is passed by; answers how many. After these comes one of the same batch that goes the
   * ordinary way: what is current then is not one of them.
   */
  #takeAhead(ahead: RunAhead, inputs: BatchPass['inputs'], limit: number): number {
    const batch = this.#batch
    if (batch === null) return 0
    const count = ahead.take(batch, limit)
    if (count === 0) return 0
    if (ahead.timestamp > this.partitionTime) this.partitionTime = ahead.timestamp
    if (ahead.timestamp > inputs.streamTime) inputs.streamTime = ahead.timestamp
    return count
  }

  /** The head shows the record that the reader has come to; false: the record is left out. */
  decode(): boolean {
    if (this.#decode(this.#batch!)) return true
    this.#buffered--
    return false
  }

  /** Forgets what was added. */
  clear(): void {
    this.#batches.length = 0
    this.#left.length = 0
    this.#batch = null
    this.#hasNext = false
    this.#buffered = 0
    this.#endOffset = -1
  }

  #advance(): void {
    this.#hasNext = false
    while (!this.#hasNext && this.#nextRecord()) this.#hasNext = this.#decode(this.#batch!)
  }

  /** False: all that was added is read. */
  #nextRecord(): boolean {
    while (this.#batch === null || !this.#batch.reader.next()) {
      if (this.#batch !== null) this.#leave(this.#batch)
      this.#batch = null
      const batch = this.#batches.shift()
      if (batch === undefined) {
        this.#buffered = 0
        return false
      }
      this.#leavesValues = !this.#options.seesValues()
      this.#options.lookAhead?.begin()
      const reader: RecordReader = batch.reader?.() ?? new ViewReader(batch)
      this.#batch = { place: this.#place, reader, block: reader.block ?? null }
    }
    this.#buffered--
    this.#options.lookAhead?.pass(this.#batch.reader)
    return true
  }

  /** Gives back what the batches before this one stand in. Those of one block are added together, so what is left of it is next. */
  #leave({ block }: InputBatch): void {
    const shown = this.#taken.batch?.block
    if (block !== null && this.#left.at(-1) !== block) this.#left.push(block)
    while (this.#left.length > 1 && this.#left[0] !== shown) this.#left.shift()!.giveBack()
  }

  /** False: the record is left out. */
  #decode(batch: InputBatch): boolean {
    const { source } = this.#options
    const { reader } = batch
    const { headers } = reader
    let key: unknown = null
    let value: unknown = null
    /** As the function would give it, of a value that nothing else looks at. */
    let time = -1
    try {
      key = readKey(reader, source)
      if (this.#leavesValues && this.#timeMember !== null) time = reader.wholeNumberOf?.(source.valueSerde, this.#timeMember) ?? -1
      value = time >= 0 || (this.#leavesValues && source.timestampExtractor === null && reader.isValueReadable?.(source.valueSerde) === true) ? unread : readValue(reader, source)
    } catch (error) {
      const origin = new InputOrigin(batch, reader.offset, reader.mark, null, null, headers)
      if (this.#options.onDeserializationError(origin.read, origin, error)) return false
      throw deserializationFailure(this.#options, origin, error)
    }
    const next = this.#next
    next.batch = batch
    next.offset = reader.offset
    next.mark = reader.mark
    next.timestamp = time < 0 ? reader.timestamp : time
    next.key = key
    next.value = value
    next.headers = headers
    if (time >= 0) {
      next.record = null
      return true
    }
    return source.timestampExtractor === null ? this.#ensureTime(next) : this.#stamp(next, source.timestampExtractor)
  }

  #ensureTime(next: RecordHead): boolean {
    if (next.timestamp < 0) throw negativeTimestamp(this.#options, next.take())
    return true
  }

  /** False: the record is left out. */
  #stamp(next: RecordHead, extract: TimestampExtractor): boolean {
    next.record = null
    const timestamp = this.#extract(extract, next)
    if (timestamp === null) return false
    if (timestamp < 0) {
      this.#options.onDropped('negative timestamp')
      return false
    }
    next.stamp(timestamp)
    return true
  }

  #extractFrom(extract: TimestampExtractor, record: StreamRecord): number {
    return extract(record.value, record.key, record, this.partitionTime)
  }

  /** With a record only where the function can look at it. null: the record is left out. */
  #extract(extract: TimestampExtractor, next: RecordHead): number | null {
    try {
      const timestamp = this.#seesValueAlone ? (extract as (value: unknown) => number)(next.value) : this.#extractFrom(extract, (next.record = next.take()))
      if (Number.isSafeInteger(timestamp)) return timestamp
      throw new StreamError('INVALID_TIMESTAMP', `the timestamp must be a whole number of milliseconds, not ${String(timestamp)}`)
    } catch (error) {
      const { source, topic, partition } = this.#options
      const record = next.take()
      if (this.#options.onTimestampError(record, error)) return null
      throw new StreamError('PROCESSING_FAILED', `the timestamp of source ${source.name} could not be taken from ${topic}-${partition} at offset ${record.offset}: ${messageOf(error)}`, {
        cause: error,
        details: { node: source.name, topic, partition, offset: record.offset },
      })
    }
  }
}

/** As many as are short enough for one text. */
const mostTogether = 64

type TimestampExtractor = NonNullable<SourceNode['timestampExtractor']>

/** Not yet, where it can be done when somebody looks. */
function readKey(reader: RecordReader, { keySerde, rejectsNullKey }: SourceNode): unknown {
  if (reader.isKeyReadable?.(keySerde) === true) return unread
  const key = reader.keyAs(keySerde)
  if (key === null && rejectsNullKey && !reader.hasKey) throw nullRefused('key')
  return key
}

function readValue(reader: RecordReader, { valueSerde, rejectsNullValue }: SourceNode): unknown {
  const value = reader.valueAs(valueSerde)
  if (value === null && rejectsNullValue && !reader.hasValue) throw nullRefused('value')
  return value
}

function readsInPlace(reader: RecordReader): boolean {
  return reader.isKeyReadable !== undefined && reader.isValueReadable !== undefined && reader.wholeNumberOf !== undefined
}

/** Where values are texts as they stand. To decode any other takes so long that it gives nothing to read many together. */
function readsTogether({ keySerde, valueSerde }: InputPlace, reader: RecordReader): boolean {
  if (reader.readAhead === undefined || keySerde.isReadable === undefined) return false
  return valueSerde.isExact === true && valueSerde.isReadable !== undefined && valueSerde.deserializeFrom !== undefined
}

function nullRefused(what: string): StreamError {
  return new StreamError('DESERIALIZATION_FAILED', `the ${what} is null, which the topic's schema does not take`)
}

function deserializationFailure({ source, topic, partition }: RecordQueueOptions, { offset }: RecordOrigin, error: unknown): StreamError {
  return new StreamError('DESERIALIZATION_FAILED', `a record of ${topic}-${partition} at offset ${offset} could not be read by ${source.name}: ${messageOf(error)}`, {
    cause: error,
    details: { node: source.name, topic, partition, offset },
  })
}

function negativeTimestamp({ source, topic, partition }: RecordQueueOptions, { offset, timestamp }: StreamRecord): StreamError {
  return new StreamError('INVALID_TIMESTAMP', `the record of ${topic}-${partition} at offset ${offset} has the timestamp ${timestamp}; give ${source.name} a timestamp function that answers for such records`, {
    details: { node: source.name, topic, partition, offset },
  })
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
