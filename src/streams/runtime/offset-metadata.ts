/** What is committed beside an offset: clocks that must survive a restart. */
export interface OffsetMetadata {
  /** Largest timestamp taken from the partition; -1: none. */
  readonly partitionTime: number
  /** Of operators that emit final results: the close time up to which they did, by store. */
  readonly operators: ReadonlyMap<string, number>
}

const none: OffsetMetadata = { partitionTime: -1, operators: new Map() }

export function encodeMetadata({ partitionTime, operators }: OffsetMetadata): string {
  return JSON.stringify(operators.size === 0 ? { partitionTime } : { partitionTime, operators: Object.fromEntries(operators) })
}

/** Metadata of another program, or none, counts as nothing known. */
export function decodeMetadata(text: string | undefined): OffsetMetadata {
  if (text === undefined || text === '') return none
  try {
    const { partitionTime, operators } = JSON.parse(text) as { partitionTime?: unknown; operators?: unknown }
    return { partitionTime: integerOr(partitionTime, -1), operators: new Map(integersOf(operators)) }
  } catch {
    return none
  }
}

function integersOf(candidate: unknown): readonly (readonly [string, number])[] {
  if (typeof candidate !== 'object' || candidate === null) return []
  return Object.entries(candidate).map(([name, time]) => [name, integerOr(time, -1)] as const)
}

function integerOr(candidate: unknown, otherwise: number): number {
  return Number.isSafeInteger(candidate) ? (candidate as number) : otherwise
}
