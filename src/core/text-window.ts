import type { ReadBlock } from './record.ts'
import { bytesOf, latin1Of, utf8Length, writeUtf8 } from './text-bytes.ts'

/**
 * The bytes of a batch, and a stretch of them as a string with one character for each byte: texts of many records are cut from
 * one string instead of being made one by one. What is cut keeps the stretch alive, so it is short.
 */
export class TextWindow {
  readonly bytes: Uint8Array
  /** Of the bytes. */
  readonly view: DataView
  /** Where the batch ends. */
  readonly #end: number
  /** What the bytes stand in, if that is used again. */
  readonly block: ReadBlock | null
  /** Characters for the bytes from `from` on. */
  text = ''
  from = 0
  /** What was learnt to be ASCII is from `from` up to here. */
  #asciiEnd = -1

  constructor(bytes: Uint8Array, end: number, block: ReadBlock | null = null) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#end = end
    this.block = block
  }

  /** Something is handed out that shows the bytes. */
  share(): void {
    if (this.block !== null) this.block.isShared = true
  }

  /** Moves on until `text` has bytes[start, end); false where these are too many. */
  covers(start: number, end: number): boolean {
    if (start >= this.from && end <= this.from + this.text.length) return true
    if (end - start > windowBytes >> 1) return false
    this.text = latin1Of(this.bytes, start, Math.min(this.#end, start + windowBytes))
    this.from = start
    this.#asciiEnd = -1
    return true
  }

  /**
   * Goes to bytes[start, end), in which so many bytes are above 127 that stand in no text: one call finds out whether all texts are ASCII, and spares looking at
   * each of them.
   */
  learn(start: number, end: number, highBytes: number): void {
    this.text = latin1Of(this.bytes, start, end)
    this.from = start
    this.#asciiEnd = utf8Length(this.text) === end - start + highBytes ? end : -1
  }

  /** True: bytes[start, end) are ASCII, and so is their text. */
  isAscii(start: number, end: number): boolean {
    return (end <= this.#asciiEnd && start >= this.from) || this.#looksAscii(start, end)
  }

  /**
   * The last bytes are looked at twice where that spares a loop: lengths come by chance, and each loop has an end that the processor does not foresee.
   */
  #looksAscii(start: number, end: number): boolean {
    const view = this.view
    let all = 0
    let at = start
    if (end - start < 4) {
      for (; at < end; at++) all |= this.bytes[at]!
      return all < 128
    }
    if (end - start < 16) {
      for (const last = end - 4; at < last; at += 4) all |= view.getInt32(at, true)
      return ((all | view.getInt32(end - 4, true)) & 0x8080_8080) === 0
    }
    const last = end - 16
    for (; at < last; at += 16) all |= view.getInt32(at, true) | view.getInt32(at + 4, true) | view.getInt32(at + 8, true) | view.getInt32(at + 12, true)
    all |= view.getInt32(last, true) | view.getInt32(last + 4, true) | view.getInt32(last + 8, true) | view.getInt32(last + 12, true)
    return (all & 0x8080_8080) === 0
  }

  /**
   * Copies bytes[start, end) to target[at…), which `targetView` shows too: by words, because each call into the runtime takes as long as some hundred bytes.
   * The last bytes are copied twice, as in `#looksAscii`.
   */
  copy(start: number, end: number, target: Uint8Array, targetView: DataView, at: number): void {
    const length = end - start
    if (length > longBytes) {
      target.set(this.bytes.subarray(start, end), at)
      return
    }
    const { view } = this
    const shift = at - start
    let from = start
    if (length < 16) {
      for (; from < end; from++) target[from + shift] = this.bytes[from]!
      return
    }
    const last = end - 16
    for (; from < last; from += 16) copyWords(view, from, targetView, from + shift)
    copyWords(view, last, targetView, last + shift)
  }

  /**
   * Copies so many bytes, with up to 15 of those that follow, to where nothing stands yet. False, with nothing copied: there are no more that follow. In one
   * piece, because who calls it has so much for the compiler to put in place that a call would stay one.
   */
  copyWholeWords(start: number, length: number, target: DataView, at: number): boolean {
    const { view } = this
    if (start + length + 15 > view.byteLength) return false
    for (let from = start, to = at; from < start + length; from += 16, to += 16) {
      target.setInt32(to, view.getInt32(from, true), true)
      target.setInt32(to + 4, view.getInt32(from + 4, true), true)
      target.setInt32(to + 8, view.getInt32(from + 8, true), true)
      target.setInt32(to + 12, view.getInt32(from + 12, true), true)
    }
    return true
  }
}

function copyWords(source: DataView, from: number, target: DataView, to: number): void {
  target.setInt32(to, source.getInt32(from, true), true)
  target.setInt32(to + 4, source.getInt32(from + 4, true), true)
  target.setInt32(to + 8, source.getInt32(from + 8, true), true)
  target.setInt32(to + 12, source.getInt32(from + 12, true), true)
}

const windowBytes = 4_096
const longBytes = 160

const mostTexts = 64
/** Shorter ones are written by a loop, and for longer ones a call into the runtime takes no longer than what is done here. */
const shortestText = 32
const longestText = 120
/** Of a text that is found not to be ASCII: for each character, and for its length and that of its record. */
const moreBytesPerCharacter = 2
const moreLengthBytes = 2
/** After a text that is not ASCII: others of the stream are alike. */
const writtenAlone = 4096

/**
 * Values that stand in a batch with a byte for each character, and are not written there yet. A call into the runtime takes several times as long as to write
 * one of them, so they are added to one string: it is written by one call, and its parts are copied to their places.
 */
export class GatheredTexts {
  /** For all of them as UTF-8; nothing stays in it. */
  static readonly #scratch = new Uint8Array(3 * mostTexts * longestText)
  static readonly #scratchView = new DataView(GatheredTexts.#scratch.buffer)

  count = 0
  /** Where the record of the first of them begins, and how many records are before it. */
  recordsFrom = 0
  recordsBefore = 0
  /** What all of them may take beyond a byte for each character. */
  moreBytes = 0
  #text = ''
  readonly #places = new Int32Array(mostTexts)
  readonly #lengths = new Int32Array(mostTexts)
  #aloneLeft = 0

  /** False: it is better written alone. */
  takes(text: string): boolean {
    if (text.length < shortestText || text.length > longestText) return false
    if (this.#aloneLeft === 0) return true
    this.#aloneLeft--
    return false
  }

  /** What a text may take beyond a byte for each character, with the lengths before it. */
  static moreBytesOf(text: string): number {
    return moreBytesPerCharacter * text.length + moreLengthBytes
  }

  get isFull(): boolean {
    return this.count === mostTexts
  }

  /** Of a text that it takes, while it is not full. */
  add(text: string, place: number): void {
    this.#places[this.count] = place
    this.#lengths[this.count] = text.length
    this.#text += text
    this.moreBytes += GatheredTexts.moreBytesOf(text)
    this.count++
  }

  /** Writes all of them to their places, and has none then. False: some are not ASCII, and nothing was done. */
  writeTo(view: DataView): boolean {
    if (writeUtf8(this.#text, GatheredTexts.#scratch, 0) !== this.#text.length) return false
    const source = GatheredTexts.#scratchView
    let from = 0
    for (let index = 0; index < this.count; index++) {
      const end = from + this.#lengths[index]!
      copyAscii(source, from, end, view, this.#places[index]!)
      from = end
    }
    this.#clear()
    return true
  }

  /** What is to be written, by its place, and there is none then. */
  takeBytes(): ReadonlyMap<number, Uint8Array> {
    const bytes = new Map<number, Uint8Array>()
    let from = 0
    for (let index = 0; index < this.count; index++) bytes.set(this.#places[index]!, bytesOf(this.#text.slice(from, from += this.#lengths[index]!)))
    this.#clear()
    this.#aloneLeft = writtenAlone
    return bytes
  }

  #clear(): void {
    this.count = 0
    this.moreBytes = 0
    this.#text = ''
  }
}

/** Of `shortestText` bytes or more, by words of eight as numbers: those that are no number, and may change when they are copied, are not ASCII. The last bytes are copied twice. */
function copyAscii(source: DataView, start: number, end: number, target: DataView, at: number): void {
  const shift = at - start
  const last = end - 32
  let from = start
  for (; from < last; from += 32) copyNumbers(source, from, target, from + shift)
  copyNumbers(source, last, target, last + shift)
}

function copyNumbers(source: DataView, from: number, target: DataView, to: number): void {
  target.setFloat64(to, source.getFloat64(from, true), true)
  target.setFloat64(to + 8, source.getFloat64(from + 8, true), true)
  target.setFloat64(to + 16, source.getFloat64(from + 16, true), true)
  target.setFloat64(to + 24, source.getFloat64(from + 24, true), true)
}
