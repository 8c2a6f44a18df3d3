/** What is committed beside an offset: clocks that must survive a restart. */
export interface OffsetMetadata {
  /** Largest timestamp taken from the partition; -1: none. */
  readonly partitionTime: number
  /** Of operators that emit final results: the close time up to which they did, by store. */
  readonly operators: ReadonlyMap<string, number>
}

const none: OffsetMetadata = { partitionTime: -1, operators: new Map() }
const version = 2

/**
 * Kafka Streams' form, as base64: version (1) · partition time (8) · and if there are operators, their number (4), and for
 * each the length of its store's name (4) · name · time (8). Version 1 ends behind the partition time.
 */
export function encodeMetadata({ partitionTime, operators }: OffsetMetadata): string {
  const parts = [Buffer.of(version), int64(partitionTime)]
  if (operators.size > 0) parts.push(int32(operators.size))
  for (const [store, time] of operators) {
    const name = Buffer.from(store)
    parts.push(int32(name.length), name, int64(time))
  }
  return Buffer.concat(parts).toString('base64')
}

/** Metadata of another program, or none, counts as nothing known. */
export function decodeMetadata(text: string | undefined): OffsetMetadata {
  const bytes = Buffer.from(text ?? '', 'base64')
  if (bytes.length < 9 || bytes[0]! < 1 || bytes[0]! > version) return none
  const partitionTime = Number(bytes.readBigInt64BE(1))
  const operators = bytes.length === 9 ? new Map<string, number>() : readOperators(bytes, 9)
  return operators === null || !Number.isSafeInteger(partitionTime) ? none : { partitionTime, operators }
}

function readOperators(bytes: Buffer, start: number): ReadonlyMap<string, number> | null {
  if (start + 4 > bytes.length) return null
  const operators = new Map<string, number>()
  let at = start + 4
  for (let left = bytes.readInt32BE(start); left > 0; left--) {
    const length = at + 4 > bytes.length ? -1 : bytes.readInt32BE(at)
    if (length < 0 || at + 4 + length + 8 > bytes.length) return null
    at += 4 + length
    operators.set(bytes.toString('utf8', at - length, at), Number(bytes.readBigInt64BE(at)))
    at += 8
  }
  return operators
}

function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeInt32BE(value)
  return bytes
}

function int64(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigInt64BE(BigInt(value))
  return bytes
}
