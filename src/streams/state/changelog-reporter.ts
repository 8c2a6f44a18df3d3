import type { RecordSpan } from '../../core/index.ts'
import { noHeaders } from '../stream-record.ts'
import type { StoreSpec } from '../topology/node.ts'
import { noBytes, noView, readInt64 } from './bytes.ts'
import type { ByteRows } from './byte-rows.ts'
import type { WriteReporter } from './changelog-byte-store.ts'
import type { StoreHost } from './open-store.ts'
import { splitHeaders } from './row-with-headers.ts'
import { ScratchBytes } from './scratch-bytes.ts'
import { timestampBytes, timestampOf } from './value-and-timestamp.ts'

type Report = WriteReporter['put']

/**
 * Makes records of the changelog from rows that are written; null where the store has none. In a changelog the timestamp of a timestamped row is the
 * timestamp of the record, and the value stands alone.
 */
export function changelogReporter(spec: StoreSpec, host: StoreHost): WriteReporter | null {
  if (spec.changelog === null || spec.changelog.sourceTopic !== null) return null
  if (spec.keepsHeaders === true) return reporterOf(headersReport(spec, host))
  const isStamped = spec.type.startsWith('timestamped-')
  const put = isStamped ? stampedReport(spec, host) : plainReport(spec, host)
  return spec.logsHeaders === true ? reporterOf(put) : { put, putRow: rowReport(spec, host, isStamped) }
}

/** From a function that takes bytes. */
export function reporterOf(put: Report): WriteReporter {
  return { put, putRow: (table, row) => put(table.key(row), table.value(row)) }
}

function plainReport(spec: StoreSpec, host: StoreHost): Report {
  const headers = headersToLog(spec, host)
  return (key, value) => host.log(spec, key, value, host.currentRecord().timestamp, headers())
}

function stampedReport(spec: StoreSpec, host: StoreHost): Report {
  const headers = headersToLog(spec, host)
  const scratch = new ScratchBytes()
  return (key, value) =>
    value === null
      ? host.log(spec, key, null, host.currentRecord().timestamp, headers())
      : host.log(spec, key, scratch.copy(value, timestampBytes, value.length), timestampOf(value), headers())
}

function headersToLog(spec: StoreSpec, host: StoreHost) {
  return spec.logsHeaders === true ? () => host.currentRecord().headers : () => noHeaders
}

/** From where the row lies to the batch, without a copy in between. */
function rowReport(spec: StoreSpec, host: StoreHost, isStamped: boolean): WriteReporter['putRow'] {
  const span = { bytes: noBytes, view: noView, keyAt: 0, keyLength: 0, valueAt: 0, valueLength: 0 }
  return (table, row) => {
    spanOf(table, row, isStamped ? timestampBytes : 0, span)
    host.logSpan(spec, span, isStamped && span.valueLength >= 0 ? readInt64(span.bytes, span.valueAt - timestampBytes) : host.currentRecord().timestamp)
  }
}

/** As `report`, the `put` of a reporter, of a row that was written into one stretch of memory: to the batch without another copy, if that takes no headers. */
export function spanReport(spec: StoreSpec, host: StoreHost, report: Report | null): ((row: RecordSpan) => void) | null {
  if (report === null) return null
  const isPlain = spec.keepsHeaders !== true && !spec.type.startsWith('timestamped-')
  const headers = headersToLog(spec, host)
  return (row) => {
    const { bytes, keyAt, keyLength, valueAt, valueLength } = row
    if (isPlain && headers().length === 0) host.logSpan(spec, row, host.currentRecord().timestamp)
    else report(bytes.subarray(keyAt, keyAt + keyLength), bytes.subarray(valueAt, valueAt + valueLength))
  }
}

export type MutableSpan = { -readonly [Part in keyof RecordSpan]: RecordSpan[Part] }

/** `before`: bytes in front of the value that the record does not have. */
export function spanOf(table: Pick<ByteRows, 'page' | 'view' | 'offset' | 'keyLength' | 'valueLength'>, row: number, before: number, span: MutableSpan): void {
  const keyAt = table.offset(row)
  const keyLength = table.keyLength(row)
  const valueLength = table.valueLength(row)
  span.bytes = table.page(row)
  span.view = table.view(row)
  span.keyAt = keyAt
  span.keyLength = keyLength
  span.valueAt = keyAt + keyLength + before
  span.valueLength = valueLength < 0 ? valueLength : valueLength - before
}

/** Of rows with headers, which are those of the record in the changelog. */
function headersReport(spec: StoreSpec, host: StoreHost): Report {
  const isStamped = spec.type.startsWith('timestamped-')
  return (key, row) => {
    const now = host.currentRecord().timestamp
    if (row === null) {
      host.log(spec, key, null, now, noHeaders)
      return
    }
    const { headers, rest } = splitHeaders(row)
    if (isStamped) host.log(spec, key, rest.subarray(timestampBytes), timestampOf(rest), headers)
    else host.log(spec, key, rest, now, headers)
  }
}

