import type { ReadBlock } from './record.ts'
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
  /** What the bytes stand in, if that is used again. */
  readonly block: ReadBlock | null
  /** Characters for the bytes from `from` on. */
  text = ''
  from = 0

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
    return true
  }

  /**
   * True: bytes[start, end) are ASCII, and so is their text. The last bytes are looked at twice where that spares a loop: lengths come by chance, and each
   * loop has an end that the processor does not foresee.
   */
  isAscii(start: number, end: number): boolean {
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
   * The last bytes are copied twice, as in `isAscii`.
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
}

function copyWords(source: DataView, from: number, target: DataView, to: number): void {
  target.setInt32(to, source.getInt32(from, true), true)
  target.setInt32(to + 4, source.getInt32(from + 4, true), true)
  target.setInt32(to + 8, source.getInt32(from + 8, true), true)
  target.setInt32(to + 12, source.getInt32(from + 12, true), true)
}

const windowBytes = 4_096
const longBytes = 160
