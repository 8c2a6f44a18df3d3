/** Apart from `table-types.ts`, so that the package's types name none of another package. */
export interface TableTypesOptions {
  /** As schema.table; * stands for any text. Empty: all. */
  readonly tables: readonly string[]
  /** The connector's topic.prefix. */
  readonly prefix: string
}
