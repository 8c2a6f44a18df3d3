/** What `diagnose` is asked and answers; apart from it, so that the package's types name none of another package. */
export interface Finding {
  /** `error`: capturing cannot work. `warning`: it will hurt one day. */
  readonly level: 'ok' | 'warning' | 'error'
  /** What was looked at. */
  readonly subject: string
  readonly text: string
  /** What cures it. */
  readonly sql?: string
}

export interface DiagnoseOptions {
  /** Tables to capture, as schema.table; * stands for any text. Empty: all. */
  readonly tables: readonly string[]
  readonly publication: string
  /** The connector's slot. */
  readonly slot: string
}
