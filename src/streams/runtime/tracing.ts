/** Spans of OpenTelemetry, where the program has the package `@opentelemetry/api` and has registered a tracer; else nothing happens here. */
import type { Context, Link, Span, TextMapGetter, Tracer } from '@opentelemetry/api'
import type { Header, ReadResult } from '../../core/index.ts'

type Api = typeof import('@opentelemetry/api')

export interface TracingOptions {
  readonly applicationId: string
  /** Of the thread. */
  readonly name: string
  readonly isOn: boolean
}

interface OpenSpan {
  readonly span: Span
  /** With the span as the active one. */
  readonly context: Context
  /** Of records that were read into it. */
  records: number
}

/** Records of one read whose headers are looked at for where they come from. */
const maxRecordsLookedAt = 256
const decoder = new TextDecoder()

const headerGetter: TextMapGetter<readonly Header[]> = {
  keys: (headers) => headers.map(({ key }) => key),
  get: (headers, name) => {
    const value = headers.find(({ key }) => key.toLowerCase() === name)?.value
    return value == null ? undefined : decoder.decode(value)
  },
}

/**
 * One span for each commit of a thread, from the first record that was read to the end of the transaction, with one inside it
 * for the commit itself:
 * ```
 *   read ──▶ process <application> ─────────────▶ commit ──▶ end
 *                 │ functions of the program run in it   └ an own span
 *                 └ links to the spans that the records' headers name
 * ```
 * A batch has no single parent, so the spans of its records are links, as the conventions for messaging say. Headers go
 * on with the records: the next application links to the same span.
 */
export class ThreadTracing {
  readonly #options: TracingOptions
  #api: Api | null = null
  #tracer: Tracer | null = null
  #open: OpenSpan | null = null

  constructor(options: TracingOptions) {
    this.#options = options
  }

  async open(): Promise<void> {
    if (!this.#options.isOn) return
    this.#api = await import('@opentelemetry/api').catch(() => null)
    this.#tracer = this.#api?.trace.getTracer('millrace') ?? null
  }

  /** Takes note of what was read since the last commit. */
  read(result: ReadResult): void {
    if (this.#tracer === null) return
    const records = result.partitions.reduce((sum, { batches }) => sum + batches.reduce((count, batch) => count + batch.recordCount, 0), 0)
    if (records === 0) return
    this.#open ??= this.#begin(this.#tracer)
    this.#open.records += records
    const { span } = this.#open
    // Older SDKs have no such method.
    if (span.isRecording() && typeof span.addLinks === 'function') span.addLinks(this.#linksOf(result))
  }

  /** Runs functions of the program inside the span. */
  within(work: () => void): void {
    if (this.#open === null) work()
    else this.#api!.context.with(this.#open.context, work)
  }

  /** Ends the span when the work is committed, or has failed. What is read meanwhile belongs to the next one. */
  async commit(work: () => Promise<void>): Promise<void> {
    const open = this.#open
    if (open === null) return work()
    this.#open = null
    const { applicationId } = this.#options
    const commit = this.#tracer!.startSpan(`commit ${applicationId}`, {}, open.context)
    try {
      await this.#api!.context.with(this.#api!.trace.setSpan(open.context, commit), work)
    } catch (error) {
      this.#endFailed(open, error as Error)
      throw error
    } finally {
      commit.end()
    }
    open.span.setAttribute('messaging.batch.message_count', open.records)
    open.span.end()
  }

  /** What was done since the last commit is undone. */
  failed(error: Error): void {
    if (this.#open !== null) this.#endFailed(this.#open, error)
    this.#open = null
  }

  #endFailed({ span, records }: OpenSpan, error: Error): void {
    span.setAttribute('messaging.batch.message_count', records)
    span.recordException(error)
    span.setStatus({ code: this.#api!.SpanStatusCode.ERROR, message: error.message })
    span.end()
  }

  #begin(tracer: Tracer): OpenSpan {
    const { SpanKind, ROOT_CONTEXT, trace } = this.#api!
    const { applicationId, name } = this.#options
    const span = tracer.startSpan(`process ${applicationId}`, {
      kind: SpanKind.CONSUMER,
      attributes: {
        'messaging.system': 'millrace',
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
        'messaging.consumer.group.name': applicationId,
        'messaging.client.id': name,
      },
    }, ROOT_CONTEXT)
    return { span, context: trace.setSpan(ROOT_CONTEXT, span), records: 0 }
  }

  #linksOf({ partitions }: ReadResult): Link[] {
    const { propagation, trace, ROOT_CONTEXT } = this.#api!
    const links = new Map<string, Link>()
    let left = maxRecordsLookedAt
    for (const { batches } of partitions) {
      for (const batch of batches) {
        for (const { headers } of batch) {
          if (left-- === 0) return [...links.values()]
          if (headers.length === 0) continue
          const context = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, headers, headerGetter))
          if (context !== undefined) links.set(context.traceId + context.spanId, { context })
        }
      }
    }
    return [...links.values()]
  }
}
