/**
 * zstd for versions of Node that have none: the optional package `@bokuweb/zstd-wasm`, which is zstd itself, compiled to
 * WebAssembly. Its own start is asynchronous, and codecs are not, so the module is made here, at the first use.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { nodeFileSystem } from './file-system.ts'

/** What is used of it: C functions over one memory. */
interface ZstdModule {
  readonly HEAPU8: Uint8Array
  readonly _malloc: (bytes: number) => number
  readonly _free: (at: number) => void
  readonly _ZSTD_isError: (code: number) => number
  readonly _ZSTD_compressBound: (bytes: number) => number
  readonly _ZSTD_compress: (to: number, capacity: number, from: number, bytes: number, level: number) => number
  readonly _ZSTD_decompress: (to: number, capacity: number, from: number, bytes: number) => number
  instantiateWasm?: (imports: object, receive: (instance: object) => void) => object
  readonly init: () => void
}

/** The library that TypeScript has it in is that of browsers. */
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: { readonly Module: new (code: Uint8Array) => object; readonly Instance: new (module: object, imports: object) => object }
}

export interface ZstdWasm {
  /** null when the bytes are not whole frames, or give more than `maxBytes`. */
  inflate(bytes: Uint8Array, maxBytes: number): Uint8Array | null
  deflate(bytes: Uint8Array): Uint8Array
}

const packageName = '@bokuweb/zstd-wasm'
const maxModuleBytes = 16 * 1024 * 1024
/** zstd's own default. */
const level = 3

let loaded: ZstdWasm | null | undefined

/** null where the package is not installed. */
export function zstdWasm(): ZstdWasm | null {
  if (loaded === undefined) loaded = load()
  return loaded
}

function load(): ZstdWasm | null {
  const require = createRequire(import.meta.url)
  const main = resolved(require)
  if (main === null) return null
  const { Module: zstd } = require(join(dirname(main), 'module.js')) as { readonly Module: ZstdModule }
  const code = nodeFileSystem.readFile(join(dirname(main), 'zstd.wasm'), maxModuleBytes)
  if (code === null) return null
  zstd.instantiateWasm = (imports, receive) => {
    receive(new WebAssembly.Instance(new WebAssembly.Module(code), imports))
    return {}
  }
  zstd.init()
  return {
    inflate: (bytes, maxBytes) => run(zstd, bytes, maxBytes, (to, from) => zstd._ZSTD_decompress(to, maxBytes, from, bytes.length)),
    deflate(bytes) {
      const capacity = zstd._ZSTD_compressBound(bytes.length)
      return run(zstd, bytes, capacity, (to, from) => zstd._ZSTD_compress(to, capacity, from, bytes.length, level))!
    },
  }
}

function resolved(require: NodeJS.Require): string | null {
  try {
    return require.resolve(packageName)
  } catch {
    return null
  }
}

/** Copies in, runs, copies out. @throws RangeError when its memory cannot grow to hold both */
function run(zstd: ZstdModule, bytes: Uint8Array, capacity: number, action: (to: number, from: number) => number): Uint8Array | null {
  const from = zstd._malloc(Math.max(1, bytes.length))
  const to = zstd._malloc(Math.max(1, capacity))
  try {
    if (from === 0 || to === 0) throw new RangeError(`no memory for ${bytes.length + capacity} bytes`)
    zstd.HEAPU8.set(bytes, from)
    const length = action(to, from)
    return zstd._ZSTD_isError(length) === 0 ? zstd.HEAPU8.slice(to, to + length) : null
  } finally {
    zstd._free(to)
    zstd._free(from)
  }
}
