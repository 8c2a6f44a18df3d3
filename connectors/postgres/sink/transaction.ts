import type { Client, Submittable } from 'pg'

/** Errors of what ends a transaction, and not of its rows. */
export const metAtEnd = new WeakSet<object>()

/** A statement that takes rows; `before` and `after` it go others that take nothing and answer nothing. */
export interface RowsStatement {
  readonly before: readonly string[]
  readonly text: string
  readonly after: readonly string[]
  /** Nothing follows it but the end of the transaction. */
  readonly isLast: boolean
}

/** What takes the place of a statement in pg's queue, and is told what the server says. */
export type Submit = (text: string, done: (error: Error | null, completed: number) => void, sent: () => void) => Submittable

/**
 * One transaction, in few round trips: what can only fail with the connection goes with the next statement, and the last rows take the end with them.
 *
 *   defer ──► due ──┬── client(): now
 *                   ├── rows(): in front of the rows, and behind the last ones their end
 *                   └── finish(): with the end
 */
export class Transaction {
  readonly #client: Client
  /** To be called when all is sent, and only the answer is missing. */
  readonly #sent: () => void
  #due: string[] = ['begin']
  #hasBegun = false
  #end: readonly string[] = ['commit']
  #isOver = false

  constructor(client: Client, sent: () => void) {
    this.#client = client
    this.#sent = sent
  }

  defer(statement: string): void {
    this.#due.push(statement)
  }

  /** What is to be done before the commit, in its round trip. */
  endWith(statements: readonly string[]): void {
    this.#end = [...statements, 'commit']
  }

  /** The same object in all transactions of a connection. */
  get connection(): Client {
    return this.#client
  }

  /** For statements whose answer is wanted: what was due is done. */
  async client(): Promise<Client> {
    if (this.#due.length > 0) await this.#client.query(this.#takeDue().join('; '))
    return this.#client
  }

  /** The answer to the one statement, with what was due in front of it. */
  async query<Row extends object>(statement: string): Promise<readonly Row[]> {
    const answers = await this.#client.query([...this.#takeDue(), statement].join('; ')) as unknown as { readonly rows: readonly Row[] } | readonly { readonly rows: readonly Row[] }[]
    return ('rows' in answers ? answers : answers.at(-1)!).rows
  }

  /** @throws what the server says */
  rows({ before, text, after, isLast }: RowsStatement, submit: Submit): Promise<void> {
    const ofRows = [...this.#takeDue(), ...before, text, ...after]
    const all = isLast ? [...ofRows, ...this.#takeDue(), ...this.#end] : ofRows
    return new Promise((resolve, reject) => {
      const done = (error: Error | null, completed: number) => {
        if (error === null) {
          this.#isOver = isLast
          return resolve()
        }
        if (completed >= ofRows.length) metAtEnd.add(error)
        reject(error)
      }
      this.#client.query(submit(all.join('; '), done, isLast ? this.#sent : () => undefined))
    })
  }

  async finish(): Promise<void> {
    if (!this.#isOver) await this.#client.query([...this.#takeDue(), ...this.#end].join('; '))
    this.#isOver = true
  }

  async rollBack(): Promise<void> {
    if (this.#hasBegun) await this.#client.query('rollback')
  }

  #takeDue(): string[] {
    const due = this.#due
    this.#due = []
    this.#hasBegun = true
    return due
  }
}
