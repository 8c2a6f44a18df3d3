import type { RecordPosition, Serde } from '../../core/index.ts'
import { InputOrigin } from '../stream-record.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { ScratchBytes } from './scratch-bytes.ts'

/** Writes the key of the record, which is not null, as `serde` does, and gives its length. If it was read just so, it is copied from where it stands: nobody looks at it. */
export function writeKeyOf(record: StreamRecord, serde: Serde<unknown>, to: ScratchBytes): number {
  const { origin } = record
  const position = origin instanceof InputOrigin ? origin.keyPosition(record, serde) : null
  return position === null ? to.write(serde, record.key, 0) : copyKeyAt(position, to)
}

/** Copies the key that stands there, and gives its length. */
export function copyKeyAt({ window, keyAt, keyLength }: RecordPosition, to: ScratchBytes): number {
  return to.copyFrom(window.view, keyAt, keyAt + keyLength, 0)
}
