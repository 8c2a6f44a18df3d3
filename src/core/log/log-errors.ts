import { StreamError } from '../errors.ts'

export function outOfRange(name: string, details: { readonly offset: number; readonly logStartOffset: number; readonly logEndOffset: number }): StreamError {
  return new StreamError('OFFSET_OUT_OF_RANGE', `${name} has offsets ${details.logStartOffset} to ${details.logEndOffset}; ${details.offset} is not among them`, { details })
}

/** `offset`: everything before is on disk. */
export function notOnDisk(name: string, details: { readonly path: string; readonly offset: number }, cause: unknown): StreamError {
  return new StreamError('STORAGE_ERROR', `${name} could not be brought to disk and takes nothing more: what was appended from offset ${details.offset} on may be lost; open it again to find out`, { cause, details })
}
