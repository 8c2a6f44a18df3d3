import { describe, expect, it } from 'vitest'
import { describeFailure } from '../../src/cli/report-error.ts'
import { StreamError } from '../../src/core/index.ts'

describe('describeFailure()', () => {
  it('tells what went wrong in one line, with causes that say more', () => {
    const cause = new Error('ENOSPC: no space left\non device', { cause: new Error('quota') })
    expect(describeFailure(new StreamError('STORAGE_FULL', 'the disk is full', { cause }))).toBe('error: the disk is full: ENOSPC: no space left on device: quota')
  })

  it('does not repeat a cause that the message holds already', () => {
    expect(describeFailure(new StreamError('INVALID_ARGUMENT', 'a.json is not JSON: bad token', { cause: new Error('bad token') }))).toBe('error: a.json is not JSON: bad token')
  })

  it('shows where a bug is', () => {
    expect(describeFailure(new TypeError('x is undefined'))).toMatch(/^error: TypeError: x is undefined\n\s+at /)
    expect(describeFailure('thrown text')).toBe('error: thrown text')
  })
})
