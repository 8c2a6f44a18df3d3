import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { Complaints } from '../../../../connectors/file/complaints.ts'
import { findFiles } from '../../../../connectors/file/tail/file-finder.ts'
import { pathPattern } from '../../../../connectors/file/tail/path-pattern.ts'

const folder = mkdtempSync(join(tmpdir(), 'millrace-finder-'))
afterAll(() => rmSync(folder, { recursive: true }))

it.skipIf(process.platform === 'darwin')('findFiles() finds names with anything in them, and says once of a name that is no UTF-8 that it is not read', () => {
  const names = ['a b.log', 'new\nline.log', 'grüße.log', '[x].log', '-.log']
  for (const name of names) writeFileSync(join(folder, name), '')
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/na`), Buffer.from([0xff]), Buffer.from('me.log')]), '')
  const said: string[] = []
  const complaints = new Complaints({ info: (text) => said.push(text), warn: (text) => said.push(text) })
  const scope = { include: [pathPattern(`${folder}/*.log`)], exclude: [], compressed: true }
  for (let look = 0; look < 2; look++) expect(findFiles(scope, complaints).map(({ path }) => path)).toEqual(names.map((name) => join(folder, name)).toSorted())
  expect(said).toEqual([`${folder}/na\uFFFDme.log is not read: its name is no UTF-8 (shown as \uFFFD). Rename it`])
})
