import { StreamError } from '../../core/index.ts'
import type { QuestionLine } from './question-line.ts'
import type { Question, RowsPage } from './thread-messages.ts'

const valueMethods = ['get', 'getAsOf', 'count', 'fetchOne', 'fetchSession'] as const
const rowMethods = [
  'range', 'reverseRange', 'all', 'reverseAll', 'prefixScan', 'fetch', 'backwardFetch', 'fetchRange', 'backwardFetchRange', 'fetchAll', 'backwardFetchAll',
  'findSessions', 'backwardFindSessions',
] as const
const pageRows = 500
/** Iterations that somebody began and did not end; the oldest are given up. */
const maxIterations = 64

type StoreQuestion = Question & { readonly kind: 'value' | 'rows' }
type Method = (...args: readonly unknown[]) => unknown

/** A store of another thread, for reading: every method of every kind of store, each asked there. Rows come page by page. */
export function remoteView(store: string, stale: boolean, line: QuestionLine): Readonly<Record<string, Method>> {
  return Object.fromEntries<Method>([
    ...valueMethods.map((method) => [method, (...args: readonly unknown[]) => line.ask({ kind: 'value', store, stale, method, args })] as const),
    ...rowMethods.map((method) => [method, (...args: readonly unknown[]) => rows(line, { kind: 'rows', store, stale, method, args })] as const),
  ])
}

function* rows(line: QuestionLine, question: Question & { readonly kind: 'rows' }): Iterable<unknown> {
  let page = line.ask(question)
  let isLeft = true
  try {
    for (;;) {
      yield* page.rows
      if (page.iteration === null) break
      page = line.ask({ kind: 'more-rows', iteration: page.iteration })
    }
    isLeft = false
  } finally {
    if (isLeft && page.iteration !== null) line.tell({ kind: 'end-rows', iteration: page.iteration })
  }
}

/** The other side: what `remoteView` asks, answered from views of stores that are at hand. */
export class ViewAnswers {
  readonly #viewOf: (store: string, stale: boolean) => unknown
  readonly #iterations = new Map<number, Iterator<unknown>>()
  #lastId = 0

  constructor(viewOf: (store: string, stale: boolean) => unknown) {
    this.#viewOf = viewOf
  }

  value(question: StoreQuestion): unknown {
    return this.#call(question)
  }

  rows(question: StoreQuestion): RowsPage {
    const iterable = this.#call(question) as Iterable<unknown>
    return this.#page(++this.#lastId, iterable[Symbol.iterator]())
  }

  moreRows(iteration: number): RowsPage {
    const iterator = this.#iterations.get(iteration)
    if (iterator === undefined) throw new StreamError('STORE_NOT_AVAILABLE', `more than ${maxIterations} iterations over stores of this thread were begun and not ended; ask again`, { retriable: true })
    return this.#page(iteration, iterator)
  }

  endRows(iteration: number): null {
    const iterator = this.#iterations.get(iteration)
    this.#iterations.delete(iteration)
    iterator?.return?.()
    return null
  }

  #page(iteration: number, iterator: Iterator<unknown>): RowsPage {
    const rows: unknown[] = []
    this.#iterations.delete(iteration)
    while (rows.length < pageRows) {
      const next = iterator.next()
      if (next.done === true) return { rows, iteration: null }
      rows.push(next.value)
    }
    this.#iterations.set(iteration, iterator)
    for (const [oldest] of this.#iterations) if (this.#iterations.size > maxIterations) this.endRows(oldest)
    return { rows, iteration }
  }

  #call({ store, stale, method, args }: StoreQuestion): unknown {
    const view = this.#viewOf(store, stale) as Readonly<Record<string, Method>>
    return view[method]!(...args)
  }
}
