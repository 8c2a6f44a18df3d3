/**
 * npm run vectors:update -- DIR
 *
 * Copies recorded vectors (`streams/`, `connect/`, `core/`, each with its FORMAT.md) from DIR to test/vectors. An area that
 * DIR has is replaced as a whole, one that it lacks stays as it is.
 */
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { vectorAreas } from '../test/kit/vectors.ts'

const target = fileURLToPath(new URL('../test/vectors/', import.meta.url))

function fail(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

function isVectorFile(path: string): boolean {
  return !/\.[a-z]+$/i.test(path) || path.endsWith('.json') || path.endsWith('FORMAT.md')
}

function copyArea(from: string, area: string): void {
  const source = join(from, area)
  if (!existsSync(join(source, 'FORMAT.md'))) fail(`${source} has no FORMAT.md, so it is not a folder of vectors; nothing of it was copied`)
  rmSync(join(target, area), { recursive: true, force: true })
  cpSync(source, join(target, area), { recursive: true, filter: isVectorFile })
  const files = readdirSync(join(target, area), { recursive: true }).filter((name) => String(name).endsWith('.json'))
  process.stdout.write(`${area}: ${files.length} files\n`)
}

const argument = process.argv[2]
if (argument === undefined) fail('usage: npm run vectors:update -- DIR, where DIR holds streams/, connect/ or core/')
const from = resolve(argument)
const areas = vectorAreas.filter((area) => existsSync(join(from, area)))
if (areas.length === 0) fail(`${from} has none of ${vectorAreas.join(', ')}`)
for (const area of areas) copyArea(from, area)
