import { latin1Of } from './text-bytes.ts'

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
  /** Characters for the bytes from `from` on. */
  text = ''
  from = 0

  constructor(bytes: Uint8Array, end: number) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#end = end
  }

  /** Moves on until `text` has bytes[start, end); false where these are too many. */
  covers(start: number, end: number): boolean {
    if (start >= this.from && end <= this.from + this.text.length) return true
    if (end - start > windowBytes >> 1) return false
    this.text = latin1Of(this.bytes, start, Math.min(this.#end, start + windowBytes))
    this.from = start
    return true
  }

  /** True: bytes[start, end) are ASCII, and so is their text. */
  isAscii(start: number, end: number): boolean {
    const view = this.view
    let all = 0
    let at = start
    for (; at + 16 <= end; at += 16) all |= view.getInt32(at, true) | view.getInt32(at + 4, true) | view.getInt32(at + 8, true) | view.getInt32(at + 12, true)
    for (; at + 4 <= end; at += 4) all |= view.getInt32(at, true)
    for (; at < end; at++) all |= this.bytes[at]!
    return (all & 0x8080_8080) === 0
  }

  /** Copies bytes[start, end) to target[at…), which `targetView` shows too: by words, because each call into the runtime takes as long as some hundred bytes. */
  copy(start: number, end: number, target: Uint8Array, targetView: DataView, at: number): void {
    if (end - start > longBytes) {
      target.set(this.bytes.subarray(start, end), at)
      return
    }
    const shift = at - start
    let from = start
    for (; from + 4 <= end; from += 4) targetView.setUint32(from + shift, this.view.getUint32(from))
    for (; from < end; from++) target[from + shift] = this.bytes[from]!
  }
}

const windowBytes = 4_096
const longBytes = 512
