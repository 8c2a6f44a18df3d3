/**
 * Random programs of streams, and what they mean: a deliberately naive model over plain arrays, which computes everything
 * from the whole history of input anew. No clock, no store, no code of the project is in it.
 */
import { randomInteger } from '../../src/core/index.ts'
import type { Random } from '../../src/core/index.ts'

export interface Input {
  readonly topic: 's1' | 's2' | 't1' | 't2'
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
}

export type StreamSpec =
  | { readonly op: 'source'; readonly topic: 's1' | 's2' }
  | { readonly op: 'filter' | 'filterNot'; readonly from: StreamSpec; readonly letter: string }
  | { readonly op: 'mapValues' | 'process'; readonly from: StreamSpec }
  /** Only of a source, whose records of a key are in one partition. */
  | { readonly op: 'number'; readonly from: StreamSpec & { readonly op: 'source' } }
  | { readonly op: 'flatMapValues'; readonly from: StreamSpec; readonly times: number }
  | { readonly op: 'selectKey' | 'repartition'; readonly from: StreamSpec }
  | { readonly op: 'merge'; readonly from: StreamSpec; readonly with: StreamSpec }
  | { readonly op: 'joinTable'; readonly from: StreamSpec; readonly table: TableSpec; readonly isLeft: boolean }

export type TableSpec =
  | { readonly op: 'source'; readonly topic: 't1' | 't2'; readonly isKept: boolean }
  | { readonly op: 'filter' | 'mapValues'; readonly from: TableSpec; readonly isKept: boolean }
  | { readonly op: 'countBy' | 'joinBy'; readonly from: TableSpec; readonly isKept: boolean }
  | { readonly op: 'join'; readonly kind: JoinKind; readonly from: TableSpec; readonly with: TableSpec; readonly isKept: boolean }
  | { readonly op: 'foreignKey'; readonly isLeft: boolean; readonly from: TableSpec; readonly with: TableSpec; readonly isKept: boolean }

export type JoinKind = 'inner' | 'left' | 'outer'

export type WindowSpec =
  | { readonly type: 'tumbling'; readonly sizeMs: number; readonly graceMs: number }
  | { readonly type: 'hopping'; readonly sizeMs: number; readonly advanceMs: number; readonly graceMs: number }
  | { readonly type: 'sliding'; readonly differenceMs: number }
  | { readonly type: 'session'; readonly gapMs: number }

export type ProgramSpec =
  | { readonly kind: 'stream'; readonly stream: StreamSpec }
  | { readonly kind: 'table'; readonly table: TableSpec }
  | { readonly kind: 'count' | 'reduce'; readonly stream: StreamSpec }
  | { readonly kind: 'windows'; readonly stream: StreamSpec; readonly windows: WindowSpec }
  /** Both streams, each with its own clock, counted together. */
  | { readonly kind: 'cogroup'; readonly windows: WindowSpec }
  | { readonly kind: 'streamJoin'; readonly join: JoinKind; readonly beforeMs: number; readonly afterMs: number }

export interface Row {
  readonly key: string | null
  readonly value: string | null
}

interface Event extends Row {
  readonly timestamp: number
  /** Index of the input that led to it. */
  readonly step: number
}

/** Nothing is late within it. */
export const longGraceMs = 1_000_000

// ---------------------------------------------------------------------------------------------------- random programs

export function randomProgram(random: Random): ProgramSpec {
  const pick = pickFrom(random)
  switch (pick(['stream', 'table', 'table', 'count', 'reduce', 'windows', 'windows', 'cogroup', 'streamJoin'] as const)) {
    case 'stream': return { kind: 'stream', stream: randomStream(random, 4) }
    case 'table': return { kind: 'table', table: randomTable(random, 3, ['t1', 't2']) }
    case 'count': return { kind: 'count', stream: randomStream(random, 2) }
    case 'reduce': return { kind: 'reduce', stream: randomStream(random, 2) }
    case 'windows': return { kind: 'windows', stream: randomStream(random, 2), windows: randomWindows(random) }
    case 'cogroup': return { kind: 'cogroup', windows: randomWindows(random) }
    case 'streamJoin': {
      const [beforeMs, afterMs] = pick([[0, 0], [5, 5], [10, 2], [0, 10], [7, 0]] as const)
      return { kind: 'streamJoin', join: pick(['inner', 'left', 'outer']), beforeMs, afterMs }
    }
  }
}

/** Above a left join there is no repartition of its own: there null keys go through a repartition topic. */
function randomStream(random: Random, depth: number, isAboveLeftJoin = false): StreamSpec {
  const pick = pickFrom(random)
  if (depth === 0) return { op: 'source', topic: pick(['s1', 's2']) }
  const op = pick(['filter', 'filterNot', 'mapValues', 'process', 'number', 'flatMapValues', 'selectKey', isAboveLeftJoin ? 'mapValues' : 'repartition', 'merge', 'joinTable', 'none'] as const)
  const isLeft = pick([true, false])
  const from = randomStream(random, depth - 1, isAboveLeftJoin || (op === 'joinTable' && isLeft))
  switch (op) {
    case 'none': return from
    case 'filter':
    case 'filterNot': return { op, from, letter: pick(letters) }
    case 'mapValues':
    case 'process':
    case 'selectKey':
    case 'repartition': return { op, from }
    case 'number': return from.op === 'source' ? { op, from } : from
    case 'flatMapValues': return { op, from, times: randomInteger(random, 3) }
    case 'merge': {
      const other = randomStream(random, depth - 1, isAboveLeftJoin)
      // Which of two ways from one source comes first is not defined where one waits or leads through a topic.
      return shareSource(from, other) ? from : { op, from, with: other }
    }
    case 'joinTable': return { op, from, table: randomTable(random, 1, ['t1', 't2']), isLeft }
  }
}

function shareSource(one: StreamSpec, other: StreamSpec): boolean {
  const others = sourcesOf(other)
  return sourcesOf(one).some((topic) => others.includes(topic))
}

function sourcesOf(spec: StreamSpec): readonly string[] {
  if (spec.op === 'source') return [spec.topic]
  return [...sourcesOf(spec.from), ...(spec.op === 'merge' ? sourcesOf(spec.with) : [])]
}

/** Each source is used once: what two ways from one source lead to is not defined step by step. */
function randomTable(random: Random, depth: number, topics: readonly ('t1' | 't2')[]): TableSpec {
  const pick = pickFrom(random)
  const isKept = pick([true, false])
  const [first, second] = topics
  if (depth === 0) return { op: 'source', topic: first!, isKept }
  const op = pick(['filter', 'mapValues', 'countBy', 'joinBy', 'join', 'foreignKey', 'none'] as const)
  const isBinary = (op === 'join' || op === 'foreignKey') && second !== undefined
  const from = randomTable(random, depth - 1, isBinary ? [first!] : topics)
  switch (op) {
    case 'none': return from
    case 'countBy': return counts(from) ? from : { op, from, isKept }
    case 'filter':
    case 'mapValues':
    case 'joinBy': return { op, from, isKept }
    case 'join': return isBinary ? { op, kind: pick(['inner', 'left', 'outer']), from, with: randomTable(random, depth - 1, [second]), isKept } : from
    case 'foreignKey': return isBinary ? { op, isLeft: pick([true, false]), from, with: randomTable(random, depth - 1, [second]), isKept } : from
  }
}

/** Counting counts would show groups that are there for a moment only, while a row moves from one to another. */
function counts(table: TableSpec): boolean {
  return JSON.stringify(table).includes('countBy')
}

function randomWindows(random: Random): WindowSpec {
  const pick = pickFrom(random)
  const sizeMs = pick([1, 5, 10, 30])
  switch (pick(['tumbling', 'hopping', 'sliding', 'session'] as const)) {
    case 'tumbling': return { type: 'tumbling', sizeMs, graceMs: pick([0, 3, 20]) }
    case 'hopping': return { type: 'hopping', sizeMs, advanceMs: 1 + randomInteger(random, sizeMs), graceMs: pick([0, 3, 20]) }
    case 'sliding': return { type: 'sliding', differenceMs: pick([1, 5, 20]) }
    case 'session': return { type: 'session', gapMs: pick([0, 1, 5, 20]) }
  }
}

/** Records of which many come late; keys are letters, and values begin with one, so that they can name keys. */
export function randomInputs(random: Random, count: number): readonly Input[] {
  const pick = pickFrom(random)
  let time = pick([0, 3, 1000])
  return Array.from({ length: count }, () => {
    time += pick([0, 1, 2, 5, 15])
    const value = pick(letters) + pick(['', '', 'x', ...letters])
    return {
      topic: pick(['s1', 's2', 't1', 't2']),
      key: randomInteger(random, 15) === 0 ? null : pick(letters),
      value: randomInteger(random, 6) === 0 ? null : value,
      timestamp: Math.max(0, time - pick([0, 0, 0, 2, 8, 40])),
    }
  })
}

const letters = ['a', 'b', 'c', 'd'] as const

function pickFrom(random: Random) {
  return <T>(values: readonly T[]): T => values[randomInteger(random, values.length)]!
}

// ---------------------------------------------------------------------------------------------------- functions of the programs

/** What the functions of both sides, model and topology, do. */
export const functions = {
  has: (letter: string) => (value: string | null) => value !== null && value.includes(letter),
  shout: (value: string | null) => (value === null ? null : `${value}!`),
  first: (value: string | null) => (value === null ? null : value.slice(0, 1)),
  repeat: (times: number) => (value: string | null) => Array.from({ length: times }, () => value),
  join: (left: string | null, right: string | null) => `(${left}+${right})`,
  number: (value: string | null, count: number) => (value === null ? null : `${value}#${count}`),
  append: (reduced: string, value: string) => reduced + value,
  isShort: (value: string) => value.length <= 2,
}

// ---------------------------------------------------------------------------------------------------- the model

/** Records that a stream program has written for the last input, in no particular order. */
export function streamResults(spec: StreamSpec, history: readonly Input[]): readonly Row[] {
  return events(spec, history).filter(({ step }) => step === history.length - 1).map(({ key, value }) => ({ key, value }))
}

function events(spec: StreamSpec, history: readonly Input[]): readonly Event[] {
  if (spec.op === 'source') {
    return history.flatMap(({ topic, key, value, timestamp }, step) => (topic === spec.topic ? [{ key, value, timestamp, step }] : []))
  }
  const from = events(spec.from, history)
  switch (spec.op) {
    case 'filter': return from.filter(({ value }) => functions.has(spec.letter)(value))
    case 'filterNot': return from.filter(({ value }) => !functions.has(spec.letter)(value))
    case 'mapValues':
    case 'process': return from.map((event) => ({ ...event, value: functions.shout(event.value) }))
    case 'number': return numbered(from)
    case 'flatMapValues': return from.flatMap((event) => functions.repeat(spec.times)(event.value).map((value) => ({ ...event, value })))
    case 'selectKey': return from.map((event) => ({ ...event, key: functions.first(event.value) }))
    case 'repartition': return from.filter(({ key }) => key !== null)
    case 'merge': return [...from, ...events(spec.with, history)].sort((a, b) => a.step - b.step)
    case 'joinTable': return from.flatMap((event) => joined(event, spec, history))
  }
}

/** By key; records without one are as they were. */
function numbered(input: readonly Event[]): readonly Event[] {
  return input.map((event, index) => (event.key === null ? event : { ...event, value: functions.number(event.value, input.slice(0, index + 1).filter(({ key }) => key === event.key).length) }))
}

function joined(event: Event, { table, isLeft }: StreamSpec & { readonly op: 'joinTable' }, history: readonly Input[]): readonly Event[] {
  if (event.value === null || (event.key === null && !isLeft)) return []
  const row = event.key === null ? null : (tableRows(table, history.slice(0, event.step + 1)).get(event.key) ?? null)
  return row === null && !isLeft ? [] : [{ ...event, value: functions.join(event.value, row) }]
}

/** The rows of a table after all of the input. */
export function tableRows(spec: TableSpec, history: readonly Input[]): ReadonlyMap<string, string> {
  if (spec.op === 'source') {
    const rows = new Map<string, string>()
    for (const { topic, key, value } of history) {
      if (topic !== spec.topic || key === null) continue
      if (value === null) rows.delete(key)
      else rows.set(key, value)
    }
    return rows
  }
  const from = [...tableRows(spec.from, history)]
  switch (spec.op) {
    case 'filter': return new Map(from.filter(([, value]) => functions.isShort(value)))
    case 'mapValues': return new Map(from.map(([key, value]) => [key, functions.shout(value)!]))
    case 'countBy': return counted(from, groupsSeen(spec.from, history))
    case 'joinBy': return new Map(from.map(([key, value]) => [key, functions.join(value, key)]))
    case 'join': return joinedRows(new Map(from), tableRows(spec.with, history), spec.kind)
    case 'foreignKey': {
      const others = tableRows(spec.with, history)
      return new Map(from.flatMap(([key, value]) => {
        const other = others.get(functions.first(value)!) ?? null
        return other === null && !spec.isLeft ? [] : [[key, functions.join(value, other)] as const]
      }))
    }
  }
}

/** A group that is empty again stays, with 0. */
function counted(rows: readonly (readonly [string, string])[], groups: ReadonlySet<string>): ReadonlyMap<string, string> {
  return new Map([...groups].map((group) => [group, String(rows.filter(([, value]) => functions.first(value) === group).length)]))
}

function groupsSeen(spec: TableSpec, history: readonly Input[]): ReadonlySet<string> {
  const seen = new Set<string>()
  for (let end = 1; end <= history.length; end++) for (const value of tableRows(spec, history.slice(0, end)).values()) seen.add(functions.first(value)!)
  return seen
}

function joinedRows(left: ReadonlyMap<string, string>, right: ReadonlyMap<string, string>, kind: JoinKind): ReadonlyMap<string, string> {
  const keys = kind === 'outer' ? [...left.keys(), ...right.keys()] : [...left.keys()].filter((key) => kind === 'left' || right.has(key))
  return new Map(keys.map((key) => [key, functions.join(left.get(key) ?? null, right.get(key) ?? null)]))
}

/** One row for each key: how many, or all together. Null values do not count. */
export function aggregates(spec: ProgramSpec & { readonly kind: 'count' | 'reduce' }, history: readonly Input[]): ReadonlyMap<string, string> {
  const byKey = new Map<string, string[]>()
  for (const { key, value } of events(spec.stream, history)) if (key !== null && value !== null) byKey.set(key, [...(byKey.get(key) ?? []), value])
  return new Map([...byKey].map(([key, values]) => [key, spec.kind === 'count' ? String(values.length) : values.reduce(functions.append)]))
}

/** Counts by `key@start/end`. */
export function windowCounts(program: WindowProgram, history: readonly Input[]): ReadonlyMap<string, string> {
  const { windows } = program
  const inputs = windowInputs(program, history)
  const input = inputs.flat()
  switch (windows.type) {
    case 'tumbling': return fixedWindows(inputs, windows.sizeMs, windows.sizeMs, windows.graceMs)
    case 'hopping': return fixedWindows(inputs, windows.sizeMs, windows.advanceMs, windows.graceMs)
    case 'sliding': return slidingWindows(input.filter(({ value }) => value !== null), windows.differenceMs)
    case 'session': return sessions(input, windows.gapMs)
  }
}

type WindowProgram = ProgramSpec & { readonly kind: 'windows' | 'cogroup' }

/** Those with a clock of their own apart. */
function windowInputs(program: WindowProgram, history: readonly Input[]): readonly (readonly Event[])[] {
  const streams: readonly StreamSpec[] = program.kind === 'windows' ? [program.stream] : [{ op: 'source', topic: 's1' }, { op: 'source', topic: 's2' }]
  return streams.map((stream) => events(stream, history).filter(({ key }) => key !== null))
}

function fixedWindows(inputs: readonly (readonly Event[])[], sizeMs: number, advanceMs: number, graceMs: number): ReadonlyMap<string, string> {
  const counts = new Map<string, number>()
  for (const input of inputs) input.forEach(({ key, timestamp }, index) => {
    const latest = Math.max(...input.slice(0, index + 1).map((event) => event.timestamp))
    for (let start = 0; start <= timestamp; start += advanceMs) {
      if (timestamp >= start + sizeMs || start + sizeMs + graceMs <= latest) continue
      const window = `${key}@${start}/${start + sizeMs}`
      counts.set(window, (counts.get(window) ?? 0) + 1)
    }
  })
  return texts(counts)
}

/** Of the last input: records that no window takes any more, where windows close. */
export function lateRecords(program: WindowProgram, history: readonly Input[]): readonly Row[] {
  const { windows } = program
  if (windows.type !== 'tumbling' && windows.type !== 'hopping') return []
  const { sizeMs, graceMs } = windows
  const advanceMs = windows.type === 'hopping' ? windows.advanceMs : sizeMs
  return windowInputs(program, history).flatMap((input) => input.filter(({ timestamp, step }, index) => {
    const latest = Math.max(...input.slice(0, index + 1).map((event) => event.timestamp))
    const lastStart = Math.floor(timestamp / advanceMs) * advanceMs
    return step === history.length - 1 && lastStart + sizeMs + graceMs <= latest
  })).map(({ key, value }) => ({ key, value }))
}

/** A window ends at each record, and one begins right behind each that another record is in. */
function slidingWindows(input: readonly Event[], differenceMs: number): ReadonlyMap<string, string> {
  const counts = new Map<string, number>()
  for (const { key, timestamp } of input) {
    const starts = [Math.max(0, timestamp - differenceMs), timestamp + 1]
    for (const start of starts) {
      const inside = input.filter((other) => other.key === key && other.timestamp >= start && other.timestamp <= start + differenceMs)
      if (inside.length > 0) counts.set(`${key}@${start}/${start + differenceMs}`, inside.length)
    }
  }
  return texts(counts)
}

function sessions(input: readonly Event[], gapMs: number): ReadonlyMap<string, string> {
  const counts = new Map<string, number>()
  for (const key of new Set(input.map((event) => event.key))) {
    const times = input.filter((event) => event.key === key).map(({ timestamp }) => timestamp).sort((a, b) => a - b)
    let start = times[0]!
    times.forEach((time, index) => {
      if (index > 0 && time - times[index - 1]! > gapMs) start = time
      const isLast = index === times.length - 1 || times[index + 1]! - time > gapMs
      if (isLast) counts.set(`${key}@${start}/${time}`, times.filter((other) => other >= start && other <= time).length)
    })
  }
  return texts(counts)
}

function texts(counts: ReadonlyMap<string, number>): ReadonlyMap<string, string> {
  return new Map([...counts].map(([key, count]) => [key, String(count)]))
}

/** All results of a join of `s1` with `s2`, once no partner can come any more. */
export function joinResults({ join, beforeMs, afterMs }: ProgramSpec & { readonly kind: 'streamJoin' }, history: readonly Input[]): readonly Row[] {
  const of = (topic: string) => history.filter((input) => input.topic === topic && input.value !== null)
  const [left, right] = [of('s1'), of('s2')]
  const meet = (a: Input, b: Input) => a.key !== null && a.key === b.key && b.timestamp >= a.timestamp - beforeMs && b.timestamp <= a.timestamp + afterMs
  const pairs = left.flatMap((a) => right.filter((b) => meet(a, b)).map((b) => ({ key: a.key, value: functions.join(a.value, b.value) })))
  const leftAlone = join === 'inner' ? [] : left.filter((a) => !right.some((b) => meet(a, b))).map((a) => ({ key: a.key, value: functions.join(a.value, null) }))
  const rightAlone = join === 'outer' ? right.filter((b) => !left.some((a) => meet(a, b))).map((b) => ({ key: b.key, value: functions.join(null, b.value) })) : []
  return [...pairs, ...leftAlone, ...rightAlone]
}
