import type { RecordQueue } from './record-queue.ts'

/**
 * Queues that have a record, the one whose head has the smallest timestamp first. Among equal timestamps the order is that
 * of the binary heap, step for step as in Java's PriorityQueue: upstream takes records in this order, and repartitioned
 * results show it.
 */
export class QueuesByTime {
  readonly #heap: RecordQueue[] = []

  get count(): number {
    return this.#heap.length
  }

  get first(): RecordQueue | null {
    return this.#heap[0] ?? null
  }

  /** The queue must have a head, and not be here yet. */
  add(queue: RecordQueue): void {
    const heap = this.#heap
    let at = heap.length
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (!isBefore(queue, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = queue
  }

  removeFirst(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    const firstLeaf = heap.length >>> 1
    let at = 0
    while (at < firstLeaf) {
      let child = 2 * at + 1
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }

  clear(): void {
    this.#heap.length = 0
  }
}

function isBefore(queue: RecordQueue, other: RecordQueue): boolean {
  return queue.head!.timestamp < other.head!.timestamp
}
