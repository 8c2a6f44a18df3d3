/** What a reader that believes each event makes of them: an event that does not fit what came before it is a repeat, or follows a gap. */
interface Event {
  readonly op: string
  readonly before: Row | null
  readonly after: Row | null
  readonly source: { readonly table: string; readonly snapshot: string }
}

export type Row = Readonly<Record<string, unknown>>

/** Rows by table and key. Keyed by the columns named. @throws an error that says which event does not fit */
export function replayStrictly(events: Iterable<unknown>, keyNames: (table: string) => readonly string[]): ReadonlyMap<string, Row> {
  const rows = new Map<string, Row>()
  for (const event of events) if (event !== null) replay(rows, event as Event, keyNames)
  return rows
}

function replay(rows: Map<string, Row>, event: Event, keyNames: (table: string) => readonly string[]): void {
  const { op, before, after, source } = event
  if (op === 't') {
    for (const key of rows.keys()) if (key.startsWith(`${source.table} `)) rows.delete(key)
    return
  }
  const key = `${source.table} ${JSON.stringify(keyNames(source.table).map((name) => (after ?? before)![name]))}`
  const isThere = rows.has(key)
  // What is read again on demand replaces what is there.
  const fits = source.snapshot === 'incremental' || isThere === (op === 'u' || op === 'd')
  if (!fits) throw new Error(`${isThere ? 'a repeat' : 'a gap'}: ${JSON.stringify(event)} of a row that is ${isThere ? JSON.stringify(rows.get(key)) : 'not there'}`)
  if (op === 'd') rows.delete(key)
  else rows.set(key, { ...rows.get(key), ...after })
}
