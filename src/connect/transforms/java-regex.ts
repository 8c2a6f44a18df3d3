/**
 * Java's regular expressions, as far as JavaScript has the same: what has another meaning here, or none, is refused, so that
 * no pattern quietly matches something else.
 */

/** The expression, or why it cannot be run. */
export function javaRegex(pattern: string): RegExp | string {
  const translated = translate(pattern)
  if ('refused' in translated) return translated.refused
  try {
    return new RegExp(translated.source, `u${translated.flags}`)
  } catch (error) {
    return (error as Error).message.replace(/^Invalid regular expression: /, '')
  }
}

type Translation = { readonly source: string; readonly flags: string } | { readonly refused: string }

const posixClasses: Readonly<Record<string, string>> = {
  Lower: 'a-z', Upper: 'A-Z', ASCII: '\\x00-\\x7f', Alpha: 'a-zA-Z', Digit: '0-9', Alnum: 'a-zA-Z0-9', Punct: '!-\\/:-@\\[-`{-~',
  Graph: '!-~', Print: ' -~', Blank: ' \\t', Cntrl: '\\x00-\\x1f\\x7f', XDigit: '0-9a-fA-F', Space: ' \\t\\n\\x0b\\f\\r',
}

function translate(pattern: string): Translation {
  const head = /^\(\?([ims]+)\)/.exec(pattern)
  const reader = { text: head === null ? pattern : pattern.slice(head[0].length), at: 0, isInClass: false }
  let source = ''
  while (reader.at < reader.text.length) {
    const piece = translateNext(reader)
    if (typeof piece !== 'string') return piece
    source += piece
  }
  return { source, flags: head?.[1] ?? '' }
}

interface PatternReader {
  readonly text: string
  at: number
  isInClass: boolean
}

function translateNext(reader: PatternReader): string | { readonly refused: string } {
  const rest = reader.text.slice(reader.at)
  if (rest.startsWith('\\')) return translateEscape(reader, rest)
  const refused = refusedAt(reader, rest)
  if (refused !== undefined) return { refused }
  const each = rest[0]!
  reader.at++
  if (reader.isInClass && each === '[') return '\\['
  if (each === '[') reader.isInClass = true
  if (each === ']') reader.isInClass = false
  return !reader.isInClass && (each === '}' || each === ']') && isLiteralBracket(reader) ? `\\${each}` : each
}

/** A closing bracket with nothing to close stands for itself. */
function isLiteralBracket({ text, at }: PatternReader): boolean {
  const before = text.slice(0, at)
  return before.endsWith(']') ? !/\[[^\]]*\]$/.test(before) : !/\{[^{}]*\}$/.test(before)
}

function refusedAt({ isInClass, at }: PatternReader, rest: string): string | undefined {
  if (isInClass) return rest.startsWith('&&') ? `intersections of classes (&&) are not supported, at index ${at}` : undefined
  if (/^(?:[*+?]|\{\d+(?:,\d*)?\})\+/.test(rest)) return `possessive quantifiers are not supported, at index ${at}`
  if (rest.startsWith('(?>')) return `atomic groups are not supported, at index ${at}`
  return /^\(\?[a-zA-Z-]+[:)]/.test(rest) ? `flags inside a pattern are not supported, at index ${at}; put them at its beginning` : undefined
}

function translateEscape(reader: PatternReader, rest: string): string | { readonly refused: string } {
  const quoted = /^\\Q([\s\S]*?)(?:\\E|$)/.exec(rest)
  if (quoted !== null) return taken(reader, quoted[0], quoted[1]!.replace(/[\\^$.*+?()[\]{}|/-]/g, (mark) => (mark === '-' && !reader.isInClass ? '-' : `\\${mark}`)))
  const posix = /^\\([pP])\{(\w+)\}/.exec(rest)
  if (posix !== null) return translateProperty(reader, posix)
  const simple = /^\\(?:[dDwWsSbBtnrf0]|[1-9]\d*|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|k<\w+>|c[A-Z])/.exec(rest)
  if (simple !== null) return taken(reader, simple[0], simple[0])
  const anchors: Readonly<Record<string, string>> = { '\\A': '^', '\\z': '$', '\\e': '\\x1b', '\\a': '\\x07', '\\h': '[ \\t\\xa0]' }
  const two = rest.slice(0, 2)
  if (Object.hasOwn(anchors, two) && !reader.isInClass) return taken(reader, two, anchors[two]!)
  if (two.length < 2 || /[A-Za-z]/.test(two[1]!)) return { refused: `the escape ${two} is not supported, at index ${reader.at}` }
  return taken(reader, two, /[\^$\\.*+?()[\]{}|/]/.test(two[1]!) || (two === '\\-' && reader.isInClass) ? two : two[1]!)
}

function translateProperty(reader: PatternReader, [whole, kind, name]: RegExpExecArray): string | { readonly refused: string } {
  const posix = posixClasses[name!]
  if (posix !== undefined && kind === 'p') return taken(reader, whole, reader.isInClass ? posix : `[${posix}]`)
  if (posix !== undefined && !reader.isInClass) return taken(reader, whole, `[^${posix}]`)
  const general = name!.replace(/^Is/, '')
  return /^[A-Z][a-z]?$/.test(general) ? taken(reader, whole, `\\${kind}{${general}}`) : { refused: `the class ${whole} is not supported, at index ${reader.at}` }
}

function taken(reader: PatternReader, whole: string, source: string): string {
  reader.at += whole.length
  return source
}

/** As `Matcher.replaceFirst`: `$1`, `${name}`, `\` hides the next character. @throws RangeError for what the match does not have */
export function expandReplacement(match: RegExpExecArray, replacement: string): string {
  let result = ''
  for (let at = 0; at < replacement.length; at++) {
    const each = replacement[at]!
    if (each === '\\') {
      if (++at === replacement.length) throw new RangeError('character to be escaped is missing')
      result += replacement[at]
    } else if (each === '$') {
      const [text, length] = groupAt(match, replacement.slice(at + 1))
      result += text
      at += length
    } else {
      result += each
    }
  }
  return result
}

/** The group's text and how many characters name it. */
function groupAt(match: RegExpExecArray, rest: string): readonly [string, number] {
  const named = /^\{([a-zA-Z][a-zA-Z0-9]*)\}/.exec(rest)
  if (named !== null) {
    if (match.groups === undefined || !Object.hasOwn(match.groups, named[1]!)) throw new RangeError(`No group with name {${named[1]}}`)
    return [match.groups[named[1]!] ?? '', named[0].length]
  }
  if (!/^\d/.test(rest)) throw new RangeError('Illegal group reference')
  let length = 1
  if (Number(rest[0]) >= match.length) throw new RangeError(`No group ${rest[0]}`)
  while (/^\d/.test(rest.slice(length)) && Number(rest.slice(0, length + 1)) < match.length) length++
  return [match[Number(rest.slice(0, length))] ?? '', length]
}
