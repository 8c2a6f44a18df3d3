import { StreamError } from '../errors.ts'

export function outOfRange(name: string, details: { readonly offset: number; readonly logStartOffset: number; readonly logEndOffset: number }): StreamError {
  return new StreamError('OFFSET_OUT_OF_RANGE', `${name} has offsets ${details.logStartOffset} to ${details.logEndOffset}; ${details.offset} is not among them`, { details })
}

export function notDeletable(name: string, details: { readonly offset: number; readonly highWatermark: number }): StreamError {
  return new StreamError('OFFSET_OUT_OF_RANGE', `${name}: records can be deleted up to the high watermark ${details.highWatermark}, not up to ${details.offset}`, { details })
}

export function closedLog(name: string): StreamError {
  return new StreamError('CLOSED', `the log of ${name} is closed`)
}

/** `offset`: everything before is on disk. */
export function notOnDisk(name: string, details: { readonly path: string; readonly offset: number }, cause: unknown): StreamError {
  return new StreamError('STORAGE_ERROR', `${name} could not be brought to disk and takes nothing more: what was appended from offset ${details.offset} on may be lost; open it again to find out`, { cause, details })
}
