import type { PlainStep, UserFunction } from './fused-steps.ts'

/**
 * Writes the source of a run. The steps behind one that gives many are the body of a loop, in which a record ends with `continue`.
 * It holds nothing of the program but numbers: which step it is, and how many arguments its function takes.
 */
export class RunSource {
  /** Of a function that gives the run. */
  readonly text: string
  /** Some step looks at the value as it was read. */
  seesValue = false
  /** At the end of the run no value is what was read. */
  isValueNew = false
  readonly #steps: readonly PlainStep[]
  readonly #isOfHead: boolean
  /** The record as it came. */
  readonly #read: string
  /** Leaves the record, and goes on with the next: of the loop, or of the run. */
  #leave = 'return'
  #lines: string[] = []
  #hasKey = false
  #isKeyNew = false
  /** `current` is the record at this step. */
  #isMade = false

  /** `isOfBatch`: of one that goes through the records of a batch. */
  constructor(steps: readonly PlainStep[], isOfHead: boolean, isOfBatch = false) {
    this.#steps = steps
    this.#isOfHead = isOfHead
    this.#read = isOfHead ? '(record ??= readRecord(batch, offset, mark, held, first, timestamp, headers))' : 'record'
    if (isOfBatch) {
      this.#leave = 'continue'
      this.text = this.#loopOverBatch()
      return
    }
    const run = isOfHead
      ? `(first, held, timestamp, headers, batch, offset, mark) => {\n  let value = first, key, record = null`
      : '(record) => {\n  let { value } = record, key'
    this.text = `return ${run}\n  ${this.#body(0)}\n}`
  }

  /**
   * A record as most are is read here, without a call to the queue: it is one whose key and value, or all that is looked at of them, can be read, and that has a
   * time. Many of them are read together where that can be. Any other the queue decodes, from the beginning.
   */
  #loopOverBatch(): string {
    return `return (pass, limit) => {
  const { batch, head, queue, inputs, context, nowMs, isPlain, takesNullKeys, leavesValues, timeMember, lookAhead, together } = pass
  const { reader, place: { keySerde, valueSerde } } = batch
  const { mark: marks, keyAt, keyLength, valueAt, valueLength, offset: offsets, timestamp: timestamps } = together ?? noRecords
  let count = 0, index = 0, known = 0, odd = 0, alone = 0
  while (count < limit && !inputs.isOver) {
    let offset, mark, timestamp, headers = noHeaders, held = unread, first = null
    if (together !== null && index === known && alone <= 0) {
      if (odd > 0) reader.goTo(together, known)
      if (odd > known / ${payingPart}) alone = limit
      known = alone > 0 ? 0 : readTogether(together, reader, limit - count)
      if (known === 0 && alone <= 0) alone = ${recordsAlone}
      index = odd = 0
    }
    if (index < known) {
      ${oneOfMany}
    } else {
      ${oneAlone}
    }
    if (first !== null) {
      head.batch = batch
      head.offset = offset
      head.mark = mark
      head.timestamp = timestamp
      head.key = held
      head.value = first
      head.headers = headers
    } else {
      if (!queue.decode()) continue
      ({ offset, mark, timestamp, headers, key: held, value: first } = head)
    }
    if (timestamp > queue.partitionTime) queue.partitionTime = timestamp
    if (timestamp > inputs.streamTime) inputs.streamTime = timestamp
    context.beginHead(head, nowMs, inputs.streamTime)
    count++
    let value = first, key, record = null
    ${this.#body(0)}
  }
  if (known > 0) reader.goTo(together, index)
  return count
}`
  }

  /** The steps from one on: to the end of the run, or to the loop over what a step gives. */
  #body(from: number): string {
    const isKeyNew = this.#isKeyNew
    const lines: string[] = []
    this.#lines = lines
    this.#isMade = false
    const leave = this.#leave
    let isLoop = false
    for (let at = from; at < this.#steps.length && !isLoop; at++) {
      const step = this.#steps[at]!
      lines.push(`step = ${at}`)
      isLoop = step.does === 'manyValues' || step.does === 'manyPairs'
      if (step.does === 'manyValues' || step.does === 'manyPairs') lines.push(this.#loop(at, step.does, step.call, lines))
      else this.#add(at, step)
    }
    return `if (subscriber.closed) ${leave}
  let current, step = ${from}, isKeyNew = ${String(isKeyNew)}
  try {
    ${lines.join('\n    ')}
  } catch (error) {
    fail(step, recordAtStep(${this.#read}, isKeyNew, key, value), error)
    ${leave}
  }
  ${isLoop ? '' : this.#end()}`
  }

  #end(): string {
    const last = this.#isMade ? 'current' : this.#made()
    if (!this.#isOfHead) return `output.next(${last})`
    return `try {
    if (take(batch, mark, headers, timestamp, ${this.#isKeyNew ? 'key, key === held' : 'held, true'}, value, ${String(!this.isValueNew)}, offset)) ${this.#leave}
  } catch (error) {
    refuse(${last}, error)
    ${this.#leave}
  }
  output.next(${last})`
  }

  #add(index: number, step: PlainStep): void {
    if (!('call' in step)) {
      if (step.does === 'passAll') return
      this.#needKey()
      this.#lines.push(`if (key === null) ${this.#leave}`)
      return
    }
    const call = this.#call(index, step.call)
    if (step.does === 'look') this.#lines.push(call)
    else if (step.does === 'pass') this.#lines.push(`if (!${call}) ${this.#leave}`)
    else if (step.does === 'refuse') this.#lines.push(`if (${call}) ${this.#leave}`)
    else if (step.does !== 'manyValues' && step.does !== 'manyPairs') this.#change(step.does, call)
  }

  #change(does: 'newValue' | 'newKey' | 'newPair', call: string): void {
    this.#isMade = false
    if (does !== 'newKey') this.isValueNew = true
    if (does === 'newValue') {
      this.#lines.push(`value = ${call}`)
      return
    }
    this.#hasKey = this.#isKeyNew = true
    this.#lines.push(does === 'newKey' ? `key = ${call}` : `{ const [k, v] = ${call}; key = k; value = v }`, 'isKeyNew = true')
  }

  /** An iterator that throws half-way gives none. The steps in the loop take care of what they throw themselves. */
  #loop(index: number, does: 'manyValues' | 'manyPairs', call: UserFunction, lines: string[]): string {
    // Once, not for each.
    if (this.#looksAtKeyBehind(index)) this.#needKey()
    const [results, list, i] = ['results', 'list', 'i'].map((name) => name + String(index))
    lines.push(`const ${results} = ${this.#call(index, call)}, ${list} = Array.isArray(${results}) ? ${results} : [...${results}], key${index} = key`)
    const head = does === 'manyPairs'
      ? `for (const [k, v] of ${list}) {\n  let value = v, key = k`
      : `for (let ${i} = 0; ${i} < ${list}.length; ${i}++) {\n  let value = ${list}[${i}], key = key${index}`
    this.isValueNew = true
    if (does === 'manyPairs') this.#hasKey = this.#isKeyNew = true
    this.#leave = 'continue'
    return `${head}\n  ${this.#body(index + 1)}\n}`
  }

  #looksAtKeyBehind(index: number): boolean {
    const behind = this.#steps.slice(index + 1)
    const renewed = behind.findIndex(({ does }) => does === 'newKey' || does === 'newPair' || does === 'manyPairs')
    return behind.slice(0, renewed < 0 ? behind.length : renewed + 1).some((step) => !('call' in step) ? step.does === 'passKeyed' : argumentsSeen(step.call) > 1)
  }

  /** With the arguments that the function can look at. */
  #call(index: number, call: UserFunction): string {
    const seen = argumentsSeen(call)
    if (seen > 0 && !this.isValueNew) this.seesValue = true
    if (seen > 1) this.#needKey()
    if (seen > 2) this.#needRecord()
    return `f${index}(${['value', 'key', 'current'].slice(0, seen).join(', ')})`
  }

  #needKey(): void {
    if (!this.#hasKey) this.#lines.push(this.#isOfHead ? 'key = held === unread ? held = readKey(batch, mark) : held' : 'key = record.key')
    this.#hasKey = true
  }

  #needRecord(): void {
    if (!this.#isMade) this.#lines.push(`current = ${this.#made()}`)
    this.#isMade = true
  }

  #made(): string {
    if (this.#isKeyNew) return `${this.#read}.with(key, value)`
    return this.isValueNew ? `${this.#read}.withValue(value)` : this.#read
  }
}

/** So many records are read by themselves where few of them could be read together. */
const recordsAlone = 32
/** Where more than this part of them had to be decoded, all that follow in the turn are read by themselves. */
const payingPart = 4

/** In the loop over a batch: reads the next of the records that are read together. What cannot be read `next` comes to, so that the queue can decode it. */
const oneOfMany = `offset = offsets[index]
      mark = marks[index]
      timestamp = timestamps[index]
      const { window } = together, keyFrom = keyAt[index], keyBytes = keyLength[index], valueFrom = valueAt[index], valueEnd = valueFrom + valueLength[index]
      try {
        if (keyBytes < 0) held = null
        if (held === null || keySerde.isReadable(window, keyFrom, keyFrom + keyBytes)) {
          if (!leavesValues) first = window.covers(valueFrom, valueEnd) ? valueSerde.deserializeFrom(window, valueFrom, valueEnd) : null
          else if (valueSerde.isReadable(window, valueFrom, valueEnd)) first = unread
        }
      } catch {}
      if (first === null) {
        odd++
        reader.goTo(together, index)
        reader.next()
      }
      together.index = index++`

/** Reads the next record by itself. */
const oneAlone = `alone--
      if (!reader.next()) break
      if (lookAhead !== null) lookAhead.pass(reader);
      ({ offset, mark, timestamp, headers } = reader)
      if (takesNullKeys && !reader.hasKey) held = null
      try {
        if (isPlain && (held === null || reader.isKeyReadable(keySerde))) {
          if (timeMember !== null) timestamp = reader.wholeNumberOf(valueSerde, timeMember)
          if (timestamp < 0) first = null
          else if (!leavesValues) first = reader.valueAs(valueSerde)
          else if (timeMember !== null || reader.isValueReadable(valueSerde)) first = unread
        }
      } catch {}`

const allArguments = 3
/** An arrow function whose parameters are names or patterns, without defaults and rests: it sees so many arguments, and no `arguments`. */
const plainArrow = /^(?:async\b\s*)?(?:(?<one>[\w$]+)|\((?<several>[^()=./'"`]*)\))\s*=>/u
const innermostPattern = /\{[^{}]*\}|\[[^[\]]*\]/gu

/** How many of its first `all` arguments a function can look at, as far as its text says. */
export function argumentsSeen(call: UserFunction, all = allArguments): number {
  const { one, several } = plainArrow.exec(Function.prototype.toString.call(call))?.groups ?? {}
  if (several === undefined) return one === undefined ? all : 1
  let names = several
  for (let outer = names; (outer = names.replaceAll(innermostPattern, 'pattern')) !== names;) names = outer
  return Math.min(all, names.split(',').filter((name) => name.trim() !== '').length)
}

/** `(value) => value.name`, or the same by a pattern. */
const memberArrow = /^\(?\s*(?<value>[\w$]+)\s*\)?\s*=>\s*\k<value>\.(?<name>[\w$]+)\s*$/u
const patternArrow = /^\(\s*\{\s*(?<name>[\w$]+)\s*,?\s*\}\s*\)\s*=>\s*\k<name>\s*$/u

/** The name of a member of its first argument, where a function, as its text says, looks at that and gives it; null for others. */
export function memberSeen(call: UserFunction): string | null {
  const text = Function.prototype.toString.call(call)
  return (memberArrow.exec(text) ?? patternArrow.exec(text))?.groups?.['name'] ?? null
}
