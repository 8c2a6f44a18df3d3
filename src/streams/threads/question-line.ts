import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { StreamError, errorFromPlain, plainError } from '../../core/index.ts'
import type { PlainError } from '../../core/index.ts'
import type { Answers, Question, QuestionHandle } from './thread-messages.ts'

type Answer = { readonly id: number } & ({ readonly value: unknown } | { readonly error: PlainError })

/** A thread answers between two slices of its work, some ten milliseconds; one that does not is at a function of the program that does not return. */
const patienceMs = 2_000

/**
 * Questions to another thread whose answers are waited for with this thread standing still, so that what is asked through
 * them looks as if it were here. The other thread must never ask this one in the same way.
 */
export class QuestionLine {
  /** For `answerQuestions` in the other thread. */
  readonly handle: QuestionHandle
  readonly #port: MessagePort
  /** Counts answers; the other thread wakes this one with it. */
  readonly #answered: Int32Array
  #lastId = 0
  #isClosed = false

  constructor() {
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    this.#answered = new Int32Array(new SharedArrayBuffer(4))
    this.handle = { port: port2, answered: this.#answered.buffer as SharedArrayBuffer }
    port1.unref()
  }

  /** @throws what the answer is in the other thread; TIMEOUT (retriable) when it gives none */
  ask<Kind extends Question['kind']>(question: Question & { readonly kind: Kind }): Answers[Kind] {
    if (this.#isClosed) throw noAnswer('it has ended')
    const id = ++this.#lastId
    let before = Atomics.load(this.#answered, 0)
    this.#port.postMessage({ id, question })
    for (;;) {
      if (Atomics.wait(this.#answered, 0, before, patienceMs) === 'timed-out') throw noAnswer(`it gave no answer for ${patienceMs} ms`)
      before = Atomics.load(this.#answered, 0)
      for (let received = receiveMessageOnPort(this.#port); received !== undefined; received = receiveMessageOnPort(this.#port)) {
        const answer = received.message as Answer
        // An answer that was given up is of no interest any more.
        if (answer.id !== id) continue
        if ('error' in answer) throw errorFromPlain(answer.error)
        return answer.value as Answers[Kind]
      }
    }
  }

  /** Without waiting for the answer. */
  tell(question: Question): void {
    if (!this.#isClosed) this.#port.postMessage({ id: ++this.#lastId, question })
  }

  close(): void {
    this.#isClosed = true
    this.#port.close()
  }
}

/** In the other thread: `answer` is called for each question, between two turns of its event loop. */
export function answerQuestions({ port, answered }: QuestionHandle, answer: (question: Question) => unknown): void {
  const count = new Int32Array(answered)
  port.on('message', ({ id, question }: { readonly id: number; readonly question: Question }) => {
    try {
      port.postMessage({ id, value: answer(question) })
    } catch (error) {
      port.postMessage({ id, error: plainError(error) })
    }
    Atomics.add(count, 0, 1)
    Atomics.notify(count, 0)
  })
}

function noAnswer(why: string): StreamError {
  return new StreamError('TIMEOUT', `the stream thread cannot be asked: ${why}`, { retriable: true })
}
