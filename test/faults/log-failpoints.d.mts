/** By name: the operation on files, and which files. */
export const failpoints: Readonly<Record<string, readonly [operation: string, files: RegExp]>>
export const engineFailpoints: Readonly<Record<string, readonly [operation: string, files: RegExp]>>
