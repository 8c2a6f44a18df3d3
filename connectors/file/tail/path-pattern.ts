import { dirname, isAbsolute, resolve } from 'node:path'

/** Which files are meant: a path, or a glob with `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}` and `**` for any depth of folders. */
export interface PathPattern {
  readonly text: string
  /** The deepest folder that is named without a wildcard: where to look. */
  readonly root: string
  /** How many levels of folders below `root` can hold a match. */
  readonly depth: number
  readonly matches: (path: string) => boolean
}

/** Relative patterns count from the working directory. Wildcards do not match a leading dot, as in a shell. */
export function pathPattern(text: string): PathPattern {
  const absolute = isAbsolute(text) ? text : resolve(text)
  const parts = absolute.split('/').slice(1)
  const wild = parts.findIndex((part) => /[*?[{]/.test(part))
  const rootParts = wild < 0 ? parts.slice(0, -1) : parts.slice(0, wild)
  const below = parts.slice(rootParts.length)
  const expression = new RegExp(`^${parts.map(segmentExpression).join('')}$`, 'u')
  return Object.freeze({
    text,
    root: wild < 0 ? dirname(unescaped(absolute)) : `/${unescaped(rootParts.join('/'))}`,
    depth: below.includes('**') ? Number.POSITIVE_INFINITY : below.length - 1,
    matches: (path: string) => expression.test(path),
  })
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, '$1')
}

/** The expression of one path segment with the slash before it. */
function segmentExpression(segment: string): string {
  if (segment === '**') return String.raw`(?:/(?!\.)[^/]+)*`
  const hidden = /^[*?[]/.test(segment) ? String.raw`(?!\.)` : ''
  return `/${hidden}${wildcards(segment)}`
}

function wildcards(segment: string): string {
  let expression = ''
  let alternatives = 0
  for (let at = 0; at < segment.length; at++) {
    const character = segment[at]!
    if (character === '\\' && at + 1 < segment.length) expression += quoted(segment[++at]!)
    else if (character === '*') expression += '[^/]*'
    else if (character === '?') expression += '[^/]'
    else if (character === '[' && segment.includes(']', at + 2)) {
      const end = segment.indexOf(']', at + 2)
      expression += characterClass(segment.slice(at + 1, end))
      at = end
    } else if (character === '{' && segment.includes('}', at)) {
      alternatives++
      expression += '(?:'
    } else if (character === '}' && alternatives > 0) {
      alternatives--
      expression += ')'
    } else expression += character === ',' && alternatives > 0 ? '|' : quoted(character)
  }
  return expression
}

function characterClass(inside: string): string {
  const negated = inside.startsWith('!') || inside.startsWith('^')
  const members = (negated ? inside.slice(1) : inside).replace(/[\\\]^]/g, String.raw`\$&`)
  return `[${negated ? '^/' : ''}${members}]`
}

function quoted(character: string): string {
  return character.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)
}
