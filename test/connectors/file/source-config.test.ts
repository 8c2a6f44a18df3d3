import { describe, expect, it } from 'vitest'
import { fileSource } from '../../../connectors/file/plugins.ts'

const parse = (config: Record<string, string>) => fileSource.config.parse({ topic: 't', ...config })

describe('FileSource config', () => {
  it('takes files by either name, and needs one', () => {
    expect(parse({ file: '/a' })).toMatchObject({ file: '/a', path: [] })
    expect(() => parse({})).toThrow('path must name at least one file to read')
  })

  it('wants the topic for dead letters', () => {
    expect(() => parse({ path: '/a', 'line.too.long': 'dead-letter' })).toThrow('line.too.long=dead-letter needs dead.letter.topic')
  })
})
