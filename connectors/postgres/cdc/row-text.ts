/** PostgreSQL's text forms of values with members: composite types and hstore. */

/** The members of `(1,"a ""quote""",)` as texts; nothing between commas is null. */
export function compositeItems(text: string): (string | null)[] {
  const items: (string | null)[] = []
  let at = 1 // (
  while (at < text.length) {
    let value: string | null = null
    while (at < text.length && text[at] !== ',' && text[at] !== ')') {
      value ??= ''
      if (text[at] === '"') value += quoted()
      else {
        if (text[at] === '\\') at++
        value += text[at++] ?? ''
      }
    }
    items.push(value)
    at++ // , or )
  }
  return items

  function quoted(): string {
    let value = ''
    for (at++; at < text.length; at++) {
      if (text[at] === '\\') at++
      else if (text[at] === '"') {
        if (text[at + 1] !== '"') break
        at++
      }
      value += text[at] ?? ''
    }
    at++
    return value
  }
}

const pair = /"((?:[^"\\]|\\.)*)"=>(?:NULL|"((?:[^"\\]|\\.)*)")/gs

/** The members of `"a"=>"1", "b"=>NULL`. */
export function hstoreMembers(text: string): Readonly<Record<string, string | null>> {
  const bare = (quoted: string) => quoted.replace(/\\(.)/gs, '$1')
  return Object.fromEntries(Array.from(text.matchAll(pair), ([, key, value]) => [bare(key!), value === undefined ? null : bare(value)]))
}
