/** Java's format: `key=value`, `key: value` or `key value`, `#` and `!` for comments, a backslash at the end of a line goes on. */
export function parseProperties(text: string): Readonly<Record<string, string>> {
  const config: Record<string, string> = {}
  for (const line of logicalLines(text)) {
    const match = /^((?:\\[\s\S]|[^\\=:\s])*)\s*(?:[=:]\s*)?([\s\S]*)$/.exec(line)!
    config[unescapeProperty(match[1]!)] = unescapeProperty(match[2]!)
  }
  return config
}

function logicalLines(text: string): readonly string[] {
  const lines: string[] = []
  let open = ''
  for (const each of text.split(/\r\n|\r|\n/)) {
    const line = each.trimStart()
    if (open === '' && (line === '' || /^[#!]/.test(line))) continue
    const goesOn = /(?:^|[^\\])(?:\\\\)*\\$/.test(line)
    open += goesOn ? line.slice(0, -1) : line
    if (goesOn) continue
    lines.push(open)
    open = ''
  }
  return open === '' ? lines : [...lines, open]
}

const escapes: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

function unescapeProperty(text: string): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|[\s\S])/g, (_whole, each: string) => (each.length === 5 ? String.fromCharCode(parseInt(each.slice(1), 16)) : (escapes[each] ?? each)))
}
