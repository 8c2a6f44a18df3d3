import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly exports: Readonly<Record<string, string | { readonly types: string }>> }

/** Every declaration file that a program sees which imports an entry point. */
function declarations(): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  const open = Object.values(manifest.exports).flatMap((entry) => (typeof entry === 'string' ? [] : [join(root, entry.types)]))
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (found.has(file)) continue
    if (!existsSync(file)) throw new Error(`${file} is missing; build first: npm run build`)
    const text = readFileSync(file, 'utf8')
    found.set(file, text)
    for (const [, path] of text.matchAll(/(?:from|import\()\s*'(\.[^']+)\.ts'/g)) open.push(join(dirname(file), `${path}.d.ts`))
  }
  return found
}

describe('the types of the package', () => {
  it('name no byte arrays as only TypeScript 5.7 knows them: 5.4 reads them, too', () => {
    const all = declarations()
    expect(all.size).toBeGreaterThan(100)
    const newer = [...all].flatMap(([file, text]) => [...text.matchAll(/.*\b\w+Array<ArrayBuffer>.*/g)].map(([line]) => `${file.slice(root.length)}: ${line}`))
    expect(newer).toEqual([])
  })
})
