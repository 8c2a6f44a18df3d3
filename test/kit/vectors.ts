/** Reads folders of recorded vectors: `streams/`, `connect/`, `connect-random/`, `connect-runtime/` and `core/`, described by the FORMAT.md in each. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const vectorAreas = ['streams', 'connect', 'connect-random', 'connect-runtime', 'core'] as const

export type VectorArea = (typeof vectorAreas)[number]

/** The vectors that live in this repository. */
export const vectorsDirectory = fileURLToPath(new URL('../vectors/', import.meta.url))

export interface VectorFile {
  /** Relative to the area, with forward slashes: `window_tumbling-count-a.json`, `transforms/Cast.json`. */
  readonly path: string
  /** The parsed JSON. */
  readonly content: unknown
}

/**
 * The group a file belongs to: its folder (`transforms/Cast.json` → `transforms`), or what stands before the first `_`
 * (`window_tumbling-count-a.json` → `window`), or its whole name (`record-batch.json` → `record-batch`). A trailing
 * `-more` is no part of the name.
 */
export function vectorGroup(path: string): string {
  const name = path.replace(/\.json$/, '').replace(/-more$/, '')
  return /^[^/_]+/.exec(name)![0]
}

/** All files of an area by group, both sorted by name; empty when the folder has no such area. */
export function readVectors(area: VectorArea, directory: string = vectorsDirectory): ReadonlyMap<string, readonly VectorFile[]> {
  const groups = new Map<string, VectorFile[]>()
  for (const path of vectorPaths(join(directory, area))) {
    const group = vectorGroup(path)
    const content: unknown = JSON.parse(readFileSync(join(directory, area, path), 'utf8'))
    groups.set(group, [...(groups.get(group) ?? []), { path, content }])
  }
  return groups
}

function vectorPaths(directory: string): string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { recursive: true })
    .map((path) => String(path).split(sep).join('/'))
    .filter((path) => path.endsWith('.json'))
    .sort()
}
