import type * as Zlib from 'node:zlib'

/** node:zlib when the first batch needs it: loading it takes 3 ms, which a start that meets no compressed batch saves. */
export function nodeZlib(): typeof Zlib {
  return process.getBuiltinModule('node:zlib')
}
