/** How keys are written on the two sides of a join: a key is in the same partition of both only if its bytes are the same. */
import { StreamError } from '../core/index.ts'
import type { Serde } from '../core/index.ts'
import { fallbackSerde } from './plan.ts'
import type { StreamPlan } from './plan.ts'

interface Keyed {
  readonly keySerde: Serde<unknown> | null
}

/** Keys of which nobody said how they are written are written as those that they meet. */
export function withKeysAs(stream: StreamPlan, other: Keyed): StreamPlan {
  return { ...stream, keySerde: stream.keySerde ?? other.keySerde }
}

/** @throws TOPOLOGY_INVALID where one side has keys in JSON, since nobody said how, and the other has them as text */
export function checkKeysMeet(name: string, left: Keyed, right: Keyed): void {
  if (!(isUnsaid(left) && isText(right)) && !(isUnsaid(right) && isText(left))) return
  throw new StreamError('TOPOLOGY_INVALID', `${name}: the keys of one side are in JSON, since nothing says how they are written, and those of the other are text, so that equal keys would be in different partitions; say it where the keys of the first side change, as in repartition({ key: z.string() }), groupBy(…, { key: z.string() }) or toTable({ key: z.string() })`)
}

function isUnsaid({ keySerde }: Keyed): boolean {
  return keySerde === fallbackSerde
}

function isText({ keySerde }: Keyed): boolean {
  try {
    return keySerde !== null && Buffer.from(keySerde.serialize('k')).equals(Buffer.from('k'))
  } catch {
    return false
  }
}
