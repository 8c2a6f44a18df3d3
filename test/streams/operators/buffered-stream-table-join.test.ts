import { describe, expect, it } from 'vitest'
import { topic } from '../../../src/streams/topic.ts'
import { Program, output, text } from './program.ts'

describe('a left join of a stream with a table as of the record\'s time, with grace', () => {
  const joining = () => new Program((builder) => {
    const table = builder.table(topic('table', text), { store: 'rows', history: 100 })
    builder.stream(topic('in', text)).leftJoin(table, (value, row) => `${value}+${row}`, { grace: 5 }).to(output)
  })

  it('sends a record without a key at once, with null, as it does without a grace', () => {
    const program = joining()
    program.pipe('table', 'k,a@10')
    expect(program.pipe('in', 'k,s1@12')).toEqual([])
    expect(program.pipe('in', 'null,s2@18')).toEqual(['null,s2+null@18'])
    expect(program.pipe('in', 'k,s3@25')).toEqual(['k,s1+a@12'])
  })
})
