import { isStreamError } from '../../src/core/errors.ts'
import { crc32c } from '../../src/core/log/crc32c.ts'
import { readUnsignedVarint, readVarint, readVarlong, varintSize, writeUnsignedVarint, writeVarint } from '../../src/core/log/varint.ts'
import type { ByteCursor } from '../../src/core/log/varint.ts'
import { murmur2, partitionForKey } from '../../src/core/partitioner.ts'
import { Difference, eachCase, expectEqual } from './core-values.ts'
import type { NamedCase } from './core-values.ts'

type NumberKind = 'varint' | 'unsignedVarint' | 'varlong' | 'unsignedVarlong'

interface NumberCase {
  readonly value: number | string
  readonly hex: string
  readonly size: number
}

interface DecodeCase {
  readonly as: NumberKind
  readonly hex: string
  readonly value?: number | string
  readonly bytesRead?: number
  readonly error?: string
}

interface Primitives extends Readonly<Record<NumberKind, readonly NumberCase[]>> {
  readonly decode: readonly DecodeCase[]
  readonly crc: readonly { readonly bytes: string; readonly crc32c: number }[]
  readonly murmur2: readonly { readonly key: string; readonly murmur2: number; readonly partition: Readonly<Record<string, number>> }[]
}

interface PrimitiveCase extends NamedCase {
  readonly check: () => void
}

/** Nothing that the log reads is an unsigned varlong. */
const readers: Readonly<Record<Exclude<NumberKind, 'unsignedVarlong'>, (cursor: ByteCursor) => number>> = { varint: readVarint, unsignedVarint: readUnsignedVarint, varlong: readVarlong }

export const runPrimitives = eachCase<PrimitiveCase>((recorded) => recorded.check(), (content) => primitiveCases(content as Primitives))

function primitiveCases(recorded: Primitives): readonly PrimitiveCase[] {
  const kinds: readonly NumberKind[] = ['varint', 'unsignedVarint', 'varlong', 'unsignedVarlong']
  return [
    ...kinds.flatMap((kind) => recorded[kind].map((number) => ({ name: `${kind} ${number.value}`, check: () => checkNumber(kind, number) }))),
    ...recorded.decode.map((decode) => ({ name: `decode ${decode.as} ${decode.hex}`, check: () => checkDecode(decode) })),
    ...recorded.crc.map((crc, i) => ({ name: `crc ${i}`, check: () => expectEqual('crc32c', crc32c(Buffer.from(crc.bytes, 'base64')), crc.crc32c) })),
    ...recorded.murmur2.map((hash, i) => ({ name: `murmur2 ${i}`, check: () => checkHash(hash) })),
  ]
}

function cursorOver(hex: string): ByteCursor {
  const bytes = Buffer.from(hex, 'hex')
  return { bytes, at: 0, end: bytes.length }
}

/** Beyond 2^53 the engine keeps the nearest double, and writes no such number. */
function checkNumber(kind: NumberKind, { value, hex, size }: NumberCase): void {
  if (kind !== 'unsignedVarlong') expectEqual('read', readers[kind](cursorOver(hex)), Number(value))
  if (!Number.isSafeInteger(Number(value))) return
  const isSigned = kind === 'varint' || kind === 'varlong'
  const bytes = Buffer.alloc(10)
  const end = (isSigned ? writeVarint : writeUnsignedVarint)(bytes, 0, Number(value))
  expectEqual('written', bytes.subarray(0, end).toString('hex'), hex)
  if (isSigned) expectEqual('size', varintSize(Number(value)), size)
}

function checkDecode({ as, hex, value, bytesRead, error }: DecodeCase): void {
  if (as === 'unsignedVarlong') return
  const cursor = cursorOver(hex)
  try {
    const read = readers[as](cursor)
    if (error !== undefined) throw new Difference(`expected ${error}, got ${read}`)
    expectEqual('value', [read, cursor.at], [Number(value), bytesRead])
  } catch (failure) {
    if (error === undefined || !isStreamError(failure, 'CORRUPT_RECORD')) throw failure
  }
}

function checkHash({ key, murmur2: expected, partition }: Primitives['murmur2'][number]): void {
  const bytes = Buffer.from(key, 'base64')
  expectEqual('murmur2', murmur2(bytes), expected)
  for (const [count, expectedPartition] of Object.entries(partition)) expectEqual(`partition of ${count}`, partitionForKey(bytes, Number(count)), expectedPartition)
}
