import { describe, expect, it } from 'vitest'
import { jsonSerde, stringSerde } from '../../src/core/index.ts'
import type { Serde } from '../../src/core/index.ts'
import { TextWindow } from '../../src/core/text-window.ts'
import { subscriptionAnswerSerde, subscriptionKey, subscriptionSerde, writeSubscriptionKey } from '../../src/streams/foreign-key-serde.ts'
import type { Subscription, SubscriptionAnswer } from '../../src/streams/foreign-key-serde.ts'
import { ScratchBytes } from '../../src/streams/state/scratch-bytes.ts'

const hash = Uint8Array.from({ length: 16 }, (_, index) => 240 + index)
const long = 'a long text, and ä. '.repeat(40)

/** A serde of a program, which has only what it must have. */
const plainSerde: Serde<unknown> = { serialize: (value) => Buffer.from(`<${String(value)}>`), deserialize: (bytes) => Buffer.from(bytes).toString().slice(1, -1) }

const serdes = [['text', stringSerde as Serde<unknown>], ['JSON', jsonSerde()], ['a serde of a program', plainSerde]] as const

describe.each(serdes)('what a foreign-key join sends, with %s', (_name, partSerde) => {
  const parts = ['k', '', 'käse', long].filter((part) => part !== '' || partSerde !== plainSerde)

  it('is a subscription that is the same in each way of writing and reading it', () => {
    for (const primaryKey of parts) {
      for (const subscription of [
        { hash, instruction: 'answer-if-found', primaryKey, primaryPartition: 0x01020304 },
        { hash: null, instruction: 'delete', primaryKey, primaryPartition: null },
      ] satisfies Subscription[]) expectOneForm(subscriptionSerde(partSerde), subscription)
    }
  })

  it('is an answer that is the same in each way of writing and reading it', () => {
    for (const rightValue of [...parts, null]) {
      for (const answerHash of [hash, null]) expectOneForm(subscriptionAnswerSerde(partSerde), { hash: answerHash, rightValue, primaryPartition: null } satisfies SubscriptionAnswer)
    }
  })

  it('is kept under a key that is the same in both ways of writing it', () => {
    const scratch = new ScratchBytes()
    for (const foreignKey of parts) {
      for (const primaryKey of parts) {
        expect(plain(writeSubscriptionKey(scratch, partSerde, foreignKey, partSerde, primaryKey))).toEqual(plain(subscriptionKey(partSerde.serialize(foreignKey), partSerde.serialize(primaryKey))))
      }
    }
  })
})

describe('what a foreign-key join reads', () => {
  it('is refused when it ends early, wherever it stands', () => {
    for (const serde of [subscriptionSerde(stringSerde as Serde<unknown>), subscriptionAnswerSerde(stringSerde as Serde<unknown>)] as readonly Serde<unknown>[]) {
      for (const bytes of [new Uint8Array(0), Uint8Array.of(1, 2, 3), Uint8Array.of(1, 3, ...hash, 0, 0, 0).subarray(0, 12)]) {
        expect(() => serde.deserialize(bytes)).toThrow('damaged')
        const among = Buffer.concat([Buffer.alloc(5), bytes, Buffer.alloc(40)])
        expect(() => serde.deserializeRange!(among, 5, 5 + bytes.length)).toThrow('damaged')
      }
    }
  })
})

function expectOneForm<T>(serde: Serde<T>, value: T): void {
  const bytes = serde.serialize(value)
  const among = new Uint8Array(bytes.length * 3 + 20).fill(7)
  expect(serde.serializeInto!(value, among, 5)).toBe(5 + bytes.length)
  expect(plain(among.subarray(5, 5 + bytes.length))).toEqual(plain(bytes))
  for (let room = 0; room < Math.min(bytes.length, 60); room++) expect(serde.serializeInto!(value, new Uint8Array(room), 0)).toBe(-1)
  expect(serde.deserialize(bytes)).toEqual(value)
  expect(serde.deserializeRange!(among, 5, 5 + bytes.length)).toEqual(value)
  const window = new TextWindow(among, among.length)
  expect(window.covers(5, 5 + bytes.length)).toBe(true)
  expect(serde.deserializeFrom!(window, 5, 5 + bytes.length)).toEqual(value)
}

function plain(bytes: Uint8Array): number[] {
  return [...bytes]
}
