/** Where key and value of a record that is to be written stand in bytes of somebody else's, who may use one object for all of them. */
export interface RecordSpan {
  readonly bytes: Uint8Array
  /** Of the same bytes. */
  readonly view: DataView
  readonly keyAt: number
  readonly keyLength: number
  readonly valueAt: number
  /** Below 0: the value is null. */
  readonly valueLength: number
}
