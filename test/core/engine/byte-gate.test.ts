import { expect, it } from 'vitest'
import { ByteGate } from '../../../src/core/engine/byte-gate.ts'

it('lets in what fits, keeps the rest waiting in order, and lets a too large one pass alone', async () => {
  const gate = new ByteGate(10)
  const entered: string[] = []
  expect(gate.enter(6)).toBeUndefined()
  const second = gate.enter(6)!.then(() => entered.push('second'))
  const third = gate.enter(1)!.then(() => entered.push('third'))
  await Promise.resolve()
  expect(entered).toEqual([])
  gate.leave(6)
  await Promise.all([second, third])
  expect(entered).toEqual(['second', 'third'])
  gate.leave(6)
  gate.leave(1)
  expect(gate.enter(50)).toBeUndefined()
})

it('is full at its bound, and not before', () => {
  const gate = new ByteGate(10)
  expect(gate.enter(6)).toBeUndefined()
  expect(gate.enter(4)).toBeUndefined()
  expect(gate.enter(1)).toBeInstanceOf(Promise)
})
