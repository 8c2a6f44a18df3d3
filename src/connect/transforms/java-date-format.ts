/**
 * Java's SimpleDateFormat in UTC and with English names, lenient as it is there: numbers of any length, units that overflow
 * into the next, text after the date ignored. Letters that are not supported are refused when the format is made.
 */
import { systemClock } from '../../core/index.ts'
import { configError } from '../errors.ts'
import { fieldLetters, formatField, parseField } from './java-date-fields.ts'
import type { DateFields } from './java-date-fields.ts'
import { dateFromFields } from './java-date-calendar.ts'

/** A run of one letter, or text. */
export type FormatPiece = { readonly letter: string; readonly count: number } | { readonly text: string }

const centuryMs = 80 * 365.25 * 86_400_000

export class JavaDateFormat {
  readonly #pieces: readonly FormatPiece[]
  readonly #pivotYear: number
  /** The zone of the text that was parsed last: formatting goes on in it, as in Java. */
  #zoneOffsetMs = 0
  #zoneName = 'UTC'

  /** @throws INVALID_CONFIG for a letter that is unknown or not supported */
  constructor(pattern: string, nowMs: number = systemClock.now()) {
    this.#pieces = piecesOf(pattern)
    this.#pivotYear = new Date(nowMs - centuryMs).getUTCFullYear()
  }

  format(ms: number): string {
    const local = new Date(ms + this.#zoneOffsetMs)
    const zone = { offsetMs: this.#zoneOffsetMs, name: this.#zoneName }
    return this.#pieces.map((piece) => ('text' in piece ? piece.text : formatField(piece, local, zone))).join('')
  }

  /** Milliseconds since the epoch, or undefined when the text does not begin as the pattern says. */
  parse(text: string): number | undefined {
    const fields: DateFields = {}
    let at = 0
    for (const [index, piece] of this.#pieces.entries()) {
      const next = 'text' in piece ? parseText(text, at, piece.text) : parseField(text, at, piece, { fields, isAbutting: this.#isAbutting(index), pivotYear: this.#pivotYear })
      if (next === undefined) return undefined
      at = next
    }
    if (fields.zone !== undefined && fields.zone.name !== '') {
      this.#zoneOffsetMs = fields.zone.offsetMs
      this.#zoneName = fields.zone.name
    }
    return dateFromFields(fields, this.#zoneOffsetMs)
  }

  /** A number that touches the next one takes only as many digits as its letters. */
  #isAbutting(index: number): boolean {
    const next = this.#pieces[index + 1]
    return next !== undefined && 'letter' in next && isNumeric(next)
  }
}

function isNumeric({ letter, count }: { readonly letter: string; readonly count: number }): boolean {
  return !'EaGzZX'.includes(letter) && !(letter === 'M' && count > 2)
}

function parseText(input: string, at: number, expected: string): number | undefined {
  return input.startsWith(expected, at) ? at + expected.length : undefined
}

function piecesOf(pattern: string): readonly FormatPiece[] {
  const pieces: FormatPiece[] = []
  const tokens = /'((?:[^']|'')*)'|([a-zA-Z])\2*|[^a-zA-Z']+|'/g
  for (const [whole, quoted, letter] of pattern.matchAll(tokens)) {
    if (whole === "'") throw unsupported(pattern, 'Unterminated quote')
    if (letter === undefined) pieces.push({ text: quoted === undefined ? whole : quoted === '' ? "'" : quoted.replaceAll("''", "'") })
    else if (fieldLetters.includes(letter)) pieces.push({ letter, count: whole.length })
    else throw unsupported(pattern, `Illegal pattern character '${letter}'`)
  }
  return pieces
}

function unsupported(pattern: string, why: string) {
  return configError(`the date format "${pattern}" cannot be used: ${why}; supported letters: ${fieldLetters}`)
}
