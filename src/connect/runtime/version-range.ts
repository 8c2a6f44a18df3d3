/** Maven's ranges of versions, by which upstream chooses among the versions of a plugin (KIP-891). */
export interface VersionRange {
  /** As upstream writes it. */
  readonly text: string
  includes(version: string): boolean
}

type Bound = { readonly version: string; readonly isIncluded: boolean } | null

interface Interval {
  readonly from: Bound
  readonly to: Bound
}

/** `1.2` is exactly that, `[1,2)` from 1 to below 2, `(,1],[2,)` either; null and `latest` are any. */
export function versionRange(written: string | null): VersionRange | null {
  const text = written?.trim() ?? 'latest'
  if (text === 'latest') return null
  const intervals = [...text.matchAll(/([[(])([^,[\]()]*)(?:(,)([^,[\]()]*))?([\])])/g)].map(([, open, from = '', comma, to = '', close]): Interval => ({
    from: boundOf(from, open === '['), to: boundOf(comma === undefined ? from : to, close === ']'),
  }))
  if (intervals.length === 0) return { text: `[${text},${text}]`, includes: (version) => compareVersions(version, text) === 0 }
  return { text, includes: (version) => intervals.some(({ from, to }) => isBeyond(version, from, 1) && isBeyond(version, to, -1)) }
}

/** Numbers in them as numbers. */
export function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true })
}

function boundOf(text: string, isIncluded: boolean): Bound {
  return text.trim() === '' ? null : { version: text.trim(), isIncluded }
}

function isBeyond(version: string, bound: Bound, sign: 1 | -1): boolean {
  if (bound === null) return true
  const order = compareVersions(version, bound.version) * sign
  return order > 0 || (order === 0 && bound.isIncluded)
}
