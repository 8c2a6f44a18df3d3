import { noBytes, noView } from './bytes.ts'

/**
 * Memory for the rows of a store, out of the garbage collector's sight. Blocks lie in pages; a block is known by its address:
 * ```
 *   address (31 bits) = page (14) · unit in the page (17)        a unit is 8 bytes, so a page has up to 1 MiB, all up to 16 GiB
 *   sizes: 1, 2 … 16 units, then four steps to each doubling, up to 16 KiB; a larger block has a page of its own
 * ```
 * A freed block is linked into the list of its size, through its own first bytes, and given out again before new room is
 * taken. Pages start small and double, so that an empty store costs little. Nothing ever moves, so nothing has to pause.
 */
export class ByteHeap {
  readonly #pages: Uint8Array[] = []
  /** The pages again, as words. */
  readonly #words: Int32Array[] = []
  readonly #views: DataView[] = []
  /** First unused unit of the page that is being filled. */
  #next = 0
  /** Where blocks are taken from; -1 before the first. */
  #filling = -1
  /** By size class: the first free block, or -1. */
  readonly #free = new Int32Array(classCount).fill(-1)
  readonly #freePages: number[] = []
  #heldBytes = 0

  /** Of all pages, used or free. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** A block of at least `length` bytes; what is in it is left over from before. */
  allocate(length: number): number {
    const units = unitsFor(length)
    if (units > maxUnits) return this.#allocatePage(units)
    const sizeClass = classOf(units)
    const free = this.#free[sizeClass]!
    if (free >= 0) {
      this.#free[sizeClass] = readLink(this.page(free), this.offset(free))
      return free
    }
    return this.#take(unitsOf(sizeClass))
  }

  /** `length` as it was allocated, or another of the same block size. */
  free(address: number, length: number): void {
    const units = unitsFor(length)
    if (units > maxUnits) {
      const page = address >>> unitBits
      this.#heldBytes -= this.#pages[page]!.length
      this.#pages[page] = noBytes
      this.#words[page] = noWords
      this.#views[page] = noView
      this.#freePages.push(page)
      return
    }
    const sizeClass = classOf(units)
    writeLink(this.page(address), this.offset(address), this.#free[sizeClass]!)
    this.#free[sizeClass] = address
  }

  /** The bytes that the block lies in, until the next `allocate`. */
  page(address: number): Uint8Array {
    return this.#pages[address >>> unitBits]!
  }

  /** As `page`, in words of four bytes, in the order of this machine. */
  words(address: number): Int32Array {
    return this.#words[address >>> unitBits]!
  }

  /** As `page`, for copies. */
  view(address: number): DataView {
    return this.#views[address >>> unitBits]!
  }

  /** Where in its page the block begins, in bytes. */
  offset(address: number): number {
    return (address & unitMask) << 3
  }

  /** For its effect on the processor's cache: reads where a block begins and where its `length` bytes end, if that is not far, and gives something that depends on both. */
  fetch(address: number, length: number): number {
    const words = this.words(address)
    const first = this.offset(address) >> 2
    return words[first]! ^ words[first + (Math.max(0, Math.min(length, nearBytes) - 1) >> 2)]!
  }

  #take(units: number): number {
    if (this.#filling < 0 || (this.#next + units) << 3 > this.#pages[this.#filling]!.length) this.#makeRoom(units)
    const address = this.#filling * unitsPerPage + this.#next
    this.#next += units
    return address
  }

  /** Doubles the page that is being filled while it is small, and otherwise begins another. */
  #makeRoom(units: number): void {
    const page = this.#filling < 0 ? noBytes : this.#pages[this.#filling]!
    const needed = (this.#next + units) << 3
    if (page.length > 0 && needed <= pageBytes) {
      const larger = new Uint8Array(Math.min(pageBytes, Math.max(needed, 2 * page.length)))
      larger.set(page)
      this.#setPage(this.#filling, larger)
      this.#heldBytes += larger.length - page.length
      return
    }
    this.#filling = this.#addPage(page.length === 0 ? Math.max(firstPageBytes, units << 3) : pageBytes)
    this.#next = 0
  }

  #allocatePage(units: number): number {
    return this.#addPage(units << 3) * unitsPerPage
  }

  #addPage(length: number): number {
    const page = this.#freePages.pop() ?? this.#pages.length
    if (page >= maxPages) throw new RangeError(`a state store in memory holds at most ${maxPages} MiB: give the store fewer keys, or keep it on disk`)
    const bytes = new Uint8Array(length)
    this.#setPage(page, bytes)
    this.#heldBytes += length
    return page
  }

  #setPage(page: number, bytes: Uint8Array): void {
    this.#pages[page] = bytes
    this.#words[page] = new Int32Array(bytes.buffer)
    this.#views[page] = new DataView(bytes.buffer)
  }
}

/** True: a block for one of the lengths has room for the other and nothing to spare. */
export function isSameBlockSize(length: number, other: number): boolean {
  const units = unitsFor(length)
  const otherUnits = unitsFor(other)
  if (units === otherUnits) return true
  return units <= maxUnits && otherUnits <= maxUnits && classOf(units) === classOf(otherUnits)
}

const noWords = new Int32Array(0)
const unitBits = 17
const unitsPerPage = 1 << unitBits
const unitMask = unitsPerPage - 1
const pageBytes = unitsPerPage << 3
const firstPageBytes = 1024
const maxPages = 1 << 14
/** 16 KiB: at most so much is left unused at the end of a page. */
const maxUnits = 2048
/** Two lines of the processor's cache. */
const nearBytes = 128
const fineUnits = 16
const classCount = classOf(maxUnits) + 1

function unitsFor(length: number): number {
  return length === 0 ? 1 : (length + 7) >>> 3
}

/** Sizes up to 16 units have a class each; above, 2^e is followed by four steps of 2^(e-2). */
function classOf(units: number): number {
  if (units <= fineUnits) return units
  const exponent = 31 - Math.clz32(units - 1)
  const step = exponent - 2
  return fineUnits + ((exponent - 4) << 2) + ((units - (1 << exponent) + (1 << step) - 1) >>> step)
}

function unitsOf(sizeClass: number): number {
  if (sizeClass <= fineUnits) return sizeClass
  const above = sizeClass - fineUnits - 1
  const exponent = 4 + (above >>> 2)
  return (1 << exponent) + (((above & 3) + 1) << (exponent - 2))
}

function readLink(page: Uint8Array, at: number): number {
  return page[at]! | (page[at + 1]! << 8) | (page[at + 2]! << 16) | (page[at + 3]! << 24)
}

function writeLink(page: Uint8Array, at: number, link: number): void {
  page[at] = link
  page[at + 1] = link >>> 8
  page[at + 2] = link >>> 16
  page[at + 3] = link >>> 24
}
