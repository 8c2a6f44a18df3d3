/**
 * Upstream prints sets in the order of its hash tables. `describe()` gives the same text, so it needs the same order:
 * buckets of a table that doubles when it is three quarters full, and order of arrival within a bucket.
 */
export function hashOrder(texts: Iterable<string>): string[] {
  const distinct = [...new Set(texts)]
  const mask = tableSize(distinct.length) - 1
  const bucketOf = new Map(distinct.map(text => [text, spread(hashCode(text)) & mask]))
  return distinct.sort((a, b) => bucketOf.get(a)! - bucketOf.get(b)!)
}

function tableSize(entries: number): number {
  let size = 16
  while (entries > size * 0.75) size *= 2
  return size
}

/** The hash code of a Java string: s[0]·31^(n-1) + … + s[n-1], as a 32-bit integer. */
function hashCode(text: string): number {
  let hash = 0
  for (let index = 0; index < text.length; index++) hash = (Math.imul(31, hash) + text.charCodeAt(index)) | 0
  return hash
}

function spread(hash: number): number {
  return hash ^ (hash >>> 16)
}
