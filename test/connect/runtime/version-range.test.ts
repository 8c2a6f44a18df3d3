import { describe, expect, it } from 'vitest'
import { versionRange } from '../../../src/connect/runtime/version-range.ts'

describe('versionRange', () => {
  it.each([
    ['1.2', '[1.2,1.2]', ['1.2'], ['1.2.1', '1.1']],
    ['[1.0,2.0)', '[1.0,2.0)', ['1.0', '1.10', '1.9.9'], ['2.0', '0.9']],
    ['(,1.0],[2.0,)', '(,1.0],[2.0,)', ['0.1', '1.0', '2.0', '10'], ['1.5']],
    ['(1.0,2.0]', '(1.0,2.0]', ['1.1', '2.0'], ['1.0', '2.1']],
    ['[3]', '[3]', ['3'], ['4']],
    ['x', '[x,x]', ['x'], ['1']],
  ])('%s takes what it names', (text, written, inside, outside) => {
    const range = versionRange(text)!
    expect(range.text).toBe(written)
    for (const version of inside) expect(range.includes(version), version).toBe(true)
    for (const version of outside) expect(range.includes(version), version).toBe(false)
  })

  it('is none for any version', () => {
    expect(versionRange(null)).toBeNull()
    expect(versionRange(' latest ')).toBeNull()
  })
})
