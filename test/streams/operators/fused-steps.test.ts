import { describe, expect, it } from 'vitest'
import { runTimeCode } from '../../../src/core/index.ts'
import { fuseSteps } from '../../../src/streams/operators/fused-steps.ts'
import type { PlainStep } from '../../../src/streams/operators/fused-steps.ts'
import { argumentsSeen, memberSeen } from '../../../src/streams/operators/run-source.ts'
import { StreamRecord, noHeaders, noOrigin } from '../../../src/streams/stream-record.ts'

function run(steps: readonly PlainStep[], records: readonly StreamRecord[]) {
  const sent: StreamRecord[] = []
  const failures: unknown[] = []
  const subscriber = { closed: false }
  const fused = fuseSteps('node', steps, {
    subscriber,
    output: { next: (record) => { sent.push(record) } },
    fail: (step, record, error) => { failures.push([step, record.key, record.value, (error as Error).message]) },
  })!
  for (const record of records) fused.next(record)
  return { sent, failures, fused, subscriber }
}

const record = (key: unknown, value: unknown) => new StreamRecord(key, value, 7, noHeaders, noOrigin)
const shown = ({ key, value }: StreamRecord) => [key, value]

describe('memberSeen', () => {
  it('names the member that is all that a function looks at, and gives', () => {
    const functions = ['(event) => event.ts', 'event => event.at_ms', '({ ts }) => ts', '({ts,}) => ts', '(event) => event.meta.ts', '(event) => other.ts', '(event) => event.ts()', '(event) => { return event.ts }', '({ ts: at }) => at', '({ ts = 1 }) => ts', 'function (event) { return event.ts }', '(event) => event.ts + 1', '(event, key) => event.ts', 'async (event) => event.ts']
    expect(functions.map((text) => memberSeen(runTimeCode(`return ${text}`, [])!() as () => unknown))).toEqual(['ts', 'at_ms', 'ts', 'ts', ...functions.slice(4).map(() => null)])
  })
})

describe('argumentsSeen', () => {
  it('counts the parameters of arrow functions that can look at nothing else', () => {
    expect([() => 0, (a: number) => a, (a: number, b: number) => a + b, (a: number, b: number, c: number) => a + b + c].map((call) => argumentsSeen(call))).toEqual([0, 1, 2, 3])
    expect([({ a }: { a: number }) => a, ([a, b]: number[]) => a! + b!, ({ a, b }: { a: { c: number }; b: number }, k: string) => `${a.c}${b}${k}`].map((call) => argumentsSeen(call))).toEqual([1, 1, 2])
    expect(['value => value', 'async (\nvalue,\n) => value', '$a => $a'].map((text) => argumentsSeen(runTimeCode(`return ${text}`, [])!() as () => unknown))).toEqual([1, 1, 1])
  })

  it('takes any other function for one that looks at all of them', () => {
    const withDefault = (a: number, b = 2) => a + b
    const withRest = (a: number, ...rest: number[]) => a + rest.length
    const nested = ({ a: { b } = { b: 1 } }: { a?: { b: number } }) => b
    function plain(a: number) { return a }
    const { method } = { method(this: void, a: number) { return a } }
    const functions = [withDefault, withRest, nested, plain, method, plain.bind(null), new Proxy((a: number) => a, {}), String]
    expect(functions.map((each) => argumentsSeen(each as () => unknown))).toEqual(functions.map(() => 3))
  })
})

describe('fuseSteps', () => {
  it('gives each function what came of the ones before it, and makes no record where nothing is changed', () => {
    const looks: unknown[] = []
    const { sent } = run([
      { does: 'pass', call: (value: number) => value > 0 },
      { does: 'look', call: (value: number, key: string) => looks.push([value, key]) },
      { does: 'refuse', call: (_value: number, _key: string, { timestamp }: StreamRecord) => timestamp !== 7 },
      { does: 'passKeyed' },
    ], [record('a', 1), record('b', 0), record(null, 2)])
    expect(looks).toEqual([[1, 'a'], [2, null]])
    expect(sent).toEqual([record('a', 1)])
  })

  it('shows functions that ask for the record the one of their step', () => {
    const seen: unknown[] = []
    const look: PlainStep = { does: 'look', call: (value: unknown, key: unknown, at: StreamRecord) => seen.push([value, key, at.value, at.key]) }
    const { sent } = run([
      look, { does: 'newValue', call: (value: number) => value + 1 }, look, { does: 'newKey', call: (value: number, key: string) => `${key}${value}` }, look,
      { does: 'newPair', call: (value: number, key: string) => [value, key] }, look, { does: 'newValue', call: () => null },
    ], [record('a', 1)])
    expect(seen).toEqual([[1, 'a', 1, 'a'], [2, 'a', 2, 'a'], [2, 'a2', 2, 'a2'], ['a2', 2, 'a2', 2]])
    expect(sent.map(shown)).toEqual([[2, null]])
  })

  it('says which step failed, on what, and goes on with the next record until its run is over', () => {
    const { sent, failures, fused, subscriber } = run([
      { does: 'newKey', call: (value: number) => `k${value}` },
      { does: 'newValue', call: (value: number) => value * 2 },
      { does: 'look', call: (value: number) => { if (value === 4) throw new Error('four') } },
    ], [record('a', 1), record('b', 2), record('c', 3)])
    expect(sent.map(shown)).toEqual([['k1', 2], ['k3', 6]])
    expect(failures).toEqual([[2, 'k2', 4, 'four']])
    subscriber.closed = true
    fused.next(record('d', 5))
    expect(sent).toHaveLength(2)
  })

  it('lets what is thrown behind the run pass: that is not its failure', () => {
    const fused = fuseSteps('node', [{ does: 'look', call: () => 0 }], { subscriber: { closed: false }, fail: () => expect.unreachable(), output: { next() { throw new Error('behind') } } })
    expect(() => fused!.next(record('a', 1))).toThrow('behind')
  })

  it('has code of its own for functions that take other arguments, under the name of one node', () => {
    const ends = () => {
      const sent: unknown[] = []
      return { sent, subscriber: { closed: false }, fail: () => expect.unreachable(), output: { next: ({ value }: StreamRecord) => { sent.push(value) } } }
    }
    const results = [() => 'none', (value: unknown) => value, (_value: unknown, key: unknown) => key, (value: unknown) => `${String(value)}!`].map((call) => {
      const each = ends()
      fuseSteps('node', [{ does: 'newValue', call }], each)!.next(record('k', 'v'))
      return each.sent
    })
    expect(results).toEqual([['none'], ['v'], ['k'], ['v!']])
  })
  it('has one code for functions of the same text, each with what that function sees', () => {
    const sent = [1, 2].map((more) => run([{ does: 'newValue', call: (value: number) => value + more }], [record('k', 1)]).sent[0]!.value)
    expect(sent).toEqual([2, 3])
  })
})

describe('runTimeCode', () => {
  it('gives the same function for the same text and user, as long as it is not too long', () => {
    expect(runTimeCode('return a', ['a'], 'one')).toBe(runTimeCode('return a', ['a'], 'one'))
    expect(runTimeCode('return a', ['a'], 'one')).not.toBe(runTimeCode('return a', ['a'], 'other'))
    expect(runTimeCode('return a', ['a'])!('x')).toBe('x')
    const long = `return a${' '.repeat(20_000)}`
    expect(runTimeCode(long, ['a'])).not.toBe(runTimeCode(long, ['a']))
  })

  it('forgets what was not asked for among the last few hundred', () => {
    const first = runTimeCode('return 1', [], 'first')
    const used = runTimeCode('return 2', [], 'used')
    for (let index = 0; index < 300; index++) {
      runTimeCode('return 3', [], String(index))
      expect(runTimeCode('return 2', [], 'used')).toBe(used)
    }
    expect(runTimeCode('return 1', [], 'first')).not.toBe(first)
  })
})
