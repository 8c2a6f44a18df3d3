/**
 * What rotated files are called. A name is a rotation of a *base name* when it is the base name with a number or a date
 * added at the end (`access.log.1`, `access.log-20261121`, `access.log.2026-11-21.3`) or before the extension
 * (`access-2026-11-21.log`, `access.1.log`), or with `.old`, `.bak`, `.prev` or `~`.
 */
const addedAtEnd = /^(.+?)(?:[._-]\d[\d._:T-]*|\.(?:old|bak|prev)|~)$/
const addedBeforeExtension = /^(.+?)[._-]\d[\d._:T-]*(\.[A-Za-z][A-Za-z0-9]*)$/
const compressed = /\.(?:gz|zst|bz2|xz|lz4|Z|zip)$/

/** The path without what rotation added; the path itself where nothing was. */
export function rotationBase(compressedPath: string): string {
  const path = compressedPath.replace(compressed, '')
  const folder = path.lastIndexOf('/') + 1
  const name = path.slice(folder)
  return path.slice(0, folder) + (addedAtEnd.exec(name)?.[1] ?? name.replace(addedBeforeExtension, '$1$2'))
}

/** True where rotation added something at the end: a name that a log of its own hardly has. */
export function isRotatedAtEnd(path: string): boolean {
  return addedAtEnd.test(path.slice(path.lastIndexOf('/') + 1).replace(compressed, ''))
}

export function isCompressedName(path: string): boolean {
  return compressed.test(path)
}

/**
 * Orders rotated files of one log by their names, oldest first, where the times of their last change say nothing: the higher
 * of two rotation numbers is older, the earlier of two dates is, and the log's present file is the youngest.
 */
export function compareRotationAge(a: string, b: string): number {
  const [first, second] = [rotationMark(a), rotationMark(b)]
  if (first === '' || second === '') return second.length === first.length ? 0 : first === '' ? 1 : -1
  const bothNumbers = /^\d{1,5}$/.test(first) && /^\d{1,5}$/.test(second)
  return bothNumbers ? Number(second) - Number(first) : first < second ? -1 : first > second ? 1 : 0
}

/** What rotation added, without the sign before it; empty for the log's present file. */
function rotationMark(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1).replace(compressed, '')
  const base = addedAtEnd.exec(name)?.[1]
  if (base !== undefined) return name.slice(base.length + 1)
  return /[._-](\d[\d._:T-]*)\.[A-Za-z][A-Za-z0-9]*$/.exec(name)?.[1] ?? ''
}
