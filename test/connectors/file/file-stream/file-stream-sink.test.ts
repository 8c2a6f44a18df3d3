import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Struct, schema } from 'millrace/connect'
import { fileStreamSink } from '../../../../connectors/file/plugins.ts'
import { SinkHarness } from '../../../kit/sink-harness.ts'

it('writes values as Java shows them, a line each, and appends after a restart', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-file-stream-'))
  const shape = schema.struct({ a: schema.int32(), b: schema.string() })
  const sink = new SinkHarness(fileStreamSink, { file: join(folder, 'out') })
  sink.append('t', 0, { value: 'text' }, { value: null }, { value: new Struct(shape, { a: 1, b: 'x' }), valueSchema: shape })
  await sink.start()
  await sink.put(2)
  await sink.commit()
  await sink.stop()
  await sink.start()
  await sink.put()
  await sink.stop()
  expect(readFileSync(join(folder, 'out'), 'utf8')).toBe('text\nnull\nStruct{a=1,b=x}\n')
  rmSync(folder, { recursive: true })
})

it('names a file that cannot be made', async () => {
  const sink = new SinkHarness(fileStreamSink, { file: '/nowhere/at/all' })
  await expect(sink.start()).rejects.toThrow("Couldn't find or create file '/nowhere/at/all' for FileStreamSinkTask (ENOENT)")
})
