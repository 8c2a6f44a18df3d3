/** Reads PostgreSQL's text form of an array, of any number of dimensions: `{1,NULL,"a \"quote\""}`, `[0:1]={1,2}`. */
export function arrayItems(text: string, item: (text: string) => unknown, delimiter = ','): unknown[] {
  let at = text.indexOf('{')
  return list()

  function list(): unknown[] {
    const items: unknown[] = []
    at++ // {
    while (at < text.length && text[at] !== '}') {
      if (text[at] === delimiter) at++
      items.push(text[at] === '{' ? list() : text[at] === '"' ? item(quoted()) : plain())
    }
    at++ // }
    return items
  }

  function quoted(): string {
    let value = ''
    for (at++; at < text.length && text[at] !== '"'; at++) {
      if (text[at] === '\\') at++
      value += text[at] ?? ''
    }
    at++
    return value
  }

  function plain(): unknown {
    const start = at
    while (at < text.length && text[at] !== delimiter && text[at] !== '}') at++
    const value = text.slice(start, at)
    return value === 'NULL' ? null : item(value)
  }
}
