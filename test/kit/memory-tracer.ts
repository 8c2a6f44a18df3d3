/** OpenTelemetry's side for tests: a tracer that keeps its spans, the context of asynchronous work, and the header `traceparent`. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { ROOT_CONTEXT, TraceFlags, context, propagation, trace } from '@opentelemetry/api'
import type { Attributes, Context, ContextManager, Exception, Link, Span, SpanContext, SpanOptions, SpanStatus, TextMapPropagator, Tracer } from '@opentelemetry/api'

export class KeptSpan implements Span {
  readonly name: string
  readonly attributes: Attributes
  readonly parent: SpanContext | undefined
  readonly links: Link[] = []
  readonly exceptions: Exception[] = []
  status: SpanStatus | null = null
  isEnded = false
  readonly #context: SpanContext

  constructor(name: string, options: SpanOptions, parent: SpanContext | undefined, number: number) {
    this.name = name
    this.attributes = { ...options.attributes }
    this.parent = parent
    this.#context = { traceId: parent?.traceId ?? number.toString(16).padStart(32, '0'), spanId: number.toString(16).padStart(16, '0'), traceFlags: TraceFlags.SAMPLED }
  }

  spanContext(): SpanContext { return this.#context }

  setAttribute(key: string, value: Attributes[string]): this {
    Object.assign(this.attributes, { [key]: value })
    return this
  }

  setAttributes(attributes: Attributes): this {
    Object.assign(this.attributes, attributes)
    return this
  }

  addEvent(): this { return this }

  addLink(link: Link): this { return this.addLinks([link]) }

  addLinks(links: Link[]): this {
    this.links.push(...links)
    return this
  }

  setStatus(status: SpanStatus): this {
    this.status = status
    return this
  }

  updateName(): this { return this }

  end(): void { this.isEnded = true }

  isRecording(): boolean { return !this.isEnded }

  recordException(exception: Exception): void { this.exceptions.push(exception) }
}

/** Registers itself globally; `close` takes everything back. */
export class MemoryTracer {
  readonly spans: KeptSpan[] = []

  constructor() {
    const startSpan = (name: string, options: SpanOptions = {}, within: Context = context.active()): Span => {
      const span = new KeptSpan(name, options, trace.getSpanContext(within), this.spans.length + 1)
      this.spans.push(span)
      return span
    }
    const unused = () => { throw new Error('nobody needs it') }
    const tracer: Tracer = { startSpan, startActiveSpan: unused }
    trace.setGlobalTracerProvider({ getTracer: () => tracer })
    context.setGlobalContextManager(new AsyncContexts())
    propagation.setGlobalPropagator(traceparent)
  }

  named(name: string): readonly KeptSpan[] {
    return this.spans.filter((span) => span.name === name)
  }

  close(): void {
    trace.disable()
    context.disable()
    propagation.disable()
  }
}

class AsyncContexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>()

  active(): Context { return this.#storage.getStore() ?? ROOT_CONTEXT }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(active: Context, work: F, thisArg?: ThisParameterType<F>, ...args: A): ReturnType<F> {
    return this.#storage.run(active, () => work.apply(thisArg, args))
  }

  bind<T>(_active: Context, target: T): T { return target }

  enable(): this { return this }

  disable(): this {
    this.#storage.disable()
    return this
  }
}

const traceparent: TextMapPropagator = {
  inject() {},
  fields: () => ['traceparent'],
  extract(within, carrier, getter) {
    const [, traceId, spanId] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(String(getter.get(carrier, 'traceparent'))) ?? []
    return traceId === undefined || spanId === undefined ? within : trace.setSpanContext(within, { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true })
  },
}
