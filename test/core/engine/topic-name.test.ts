import { expect, it } from 'vitest'
import { checkCollision, validateTopicName } from '../../../src/core/engine/topic-name.ts'
import { codeOf, errorOf } from '../../contract/contract-kit.ts'

it.each(['', '.', '..', 'with space', 'slash/x', 'ünï', 'a:b', 'null\0', '日本', 'a'.repeat(250)])('%j cannot be the name of a topic', async (name) => {
  expect(await codeOf(() => validateTopicName(name))).toBe('INVALID_TOPIC')
})

it.each(['...', 'ok_name-1.20', 'UPPER0', '__internal0', 'a'.repeat(249)])('%j can', (name) => {
  expect(() => validateTopicName(name)).not.toThrow()
})

it('names that only differ in dots and underscores collide', async () => {
  expect(await errorOf(() => checkCollision('a_b', ['x', 'a.b']))).toMatchObject({ code: 'INVALID_TOPIC', message: "Topic 'a_b' collides with existing topic: a.b" })
  expect(() => checkCollision('a_b', ['a-b', 'ab', 'a_b'])).not.toThrow()
  expect(() => checkCollision('ab', ['a.b', 'a_b'])).not.toThrow()
})
