import type { FileHandle, FileSystem } from './file-system.ts'

/** Files open for reading, the least recently used closed when there are too many: any number of segments costs a fixed number of descriptors. */
export class ReadHandles {
  readonly #fileSystem: FileSystem
  readonly #capacity: number
  /** In order of use, the oldest first. */
  readonly #open = new Map<string, FileHandle>()

  constructor(fileSystem: FileSystem, capacity = 64) {
    this.#fileSystem = fileSystem
    this.#capacity = capacity
  }

  /** Open until the next `use` at least. */
  use(path: string): FileHandle {
    const known = this.#open.get(path)
    if (known !== undefined) this.#open.delete(path)
    const file = known ?? this.#fileSystem.open(path, 'read')
    this.#open.set(path, file)
    if (this.#open.size > this.#capacity) this.drop(this.#open.keys().next().value!)
    return file
  }

  drop(path: string): void {
    this.#open.get(path)?.close()
    this.#open.delete(path)
  }

  close(): void {
    for (const path of [...this.#open.keys()]) this.drop(path)
  }
}
