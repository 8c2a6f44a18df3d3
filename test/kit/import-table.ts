/** Who may import what: the table of ARCHITECTURE.md as data. The first row whose `files` match a path is the one that holds. */
import { posix } from 'node:path'
import type { SourceFile } from './source-scan.ts'

export interface ImportRow {
  /** For people: how ARCHITECTURE.md calls the folder. */
  readonly name: string
  readonly files: RegExp
  /** Project paths and package names that may be imported; a folder may always import itself. */
  readonly allowed: readonly RegExp[]
}

const coreLeaf = /^src\/core\/(?!index\.ts$)[^/]+$/
const coreIndex = /^src\/core\/index\.ts$/
const recordBatch = /^src\/core\/log\/[^/]*(batch|lazy-record|varint|crc32c|big-endian|compression)[^/]*$/
const node = /^node:/
const nodeWithoutDisk = /^node:(?!fs|net|http|https|child_process|cluster)/
const streams = /^src\/streams\//
const ownDriver = { file: [/^chokidar$/, /^csv-parse\/sync$/, /^hyparquet-writer$/], postgres: [/^pg$/, /^pg-cursor$/] } as const

export const importTable: readonly ImportRow[] = [
  { name: 'src/index', files: /^src\/index\.ts$/, allowed: [coreIndex] },
  { name: 'core/index', files: coreIndex, allowed: [/^src\/core\//] },
  { name: 'core leaves', files: coreLeaf, allowed: [coreLeaf, /^zod$/, nodeWithoutDisk] },
  { name: 'core/log', files: /^src\/core\/log\//, allowed: [coreLeaf, /^src\/core\/log\//, node] },
  { name: 'core/engine', files: /^src\/core\/engine\//, allowed: [coreLeaf, /^src\/core\/(engine|log)\//, nodeWithoutDisk] },
  { name: 'core/port', files: /^src\/core\/port\//, allowed: [coreLeaf, /^src\/core\/(port|engine)\//, recordBatch, nodeWithoutDisk] },
  { name: 'core/kafka', files: /^src\/core\/kafka\//, allowed: [coreLeaf, /^src\/core\/kafka\//, recordBatch, nodeWithoutDisk, /^node:net$/, /^kafkajs(\/|$)/] },
  { name: 'core/testing', files: /^src\/core\/testing\//, allowed: [coreLeaf, /^src\/core\/log\/file-system\.ts$/, nodeWithoutDisk] },
  { name: 'core/threads', files: /^src\/core\/threads\//, allowed: [coreLeaf, /^src\/core\/(port|kafka)\//, nodeWithoutDisk] },
  { name: 'streams/topology', files: /^src\/streams\/topology\//, allowed: [coreIndex, /^src\/streams\/topology\//, /^src\/streams\/(?!index\.ts$)[^/]+$/] },
  // The one file that loads the optional package.
  { name: 'streams/state/lmdb', files: /^src\/streams\/state\/lmdb\.ts$/, allowed: [coreIndex, /^lmdb$/] },
  { name: 'streams/state', files: /^src\/streams\/state\//, allowed: [coreIndex, /^src\/streams\/state\//, /^src\/streams\/(?!index\.ts$)[^/]+$/, /^src\/streams\/topology\//] },
  { name: 'streams/operators', files: /^src\/streams\/operators\//, allowed: [coreIndex, /^rxjs$/, /^node:util$/, /^src\/streams\/(operators|topology|state)\//, /^src\/streams\/(?!index\.ts$)[^/]+$/] },
  // `millrace/testing` is one entry point for both halves.
  { name: 'streams/testing/index', files: /^src\/streams\/testing\/index\.ts$/, allowed: [streams, /^src\/connect\/testing\/index\.ts$/] },
  { name: 'streams/testing', files: /^src\/streams\/testing\//, allowed: [coreIndex, /^src\/core\/testing\//, streams, /^rxjs$/, /^zod$/, /^fast-check$/] },
  { name: 'streams/http', files: /^src\/streams\/http\//, allowed: [coreIndex, streams, /^node:(http|net)$/] },
  // The one file that loads the optional package.
  { name: 'streams/runtime/tracing', files: /^src\/streams\/runtime\/tracing\.ts$/, allowed: [coreIndex, /^@opentelemetry\/api$/] },
  { name: 'streams', files: streams, allowed: [coreIndex, streams, /^rxjs($|\/internal\/)/, /^zod$/, /^prom-client$/, nodeWithoutDisk] },
  { name: 'connect/rest', files: /^src\/connect\/rest\//, allowed: [coreIndex, /^src\/connect\//, /^zod$/, node, /^fastify$/, /^@fastify\/(cors|basic-auth)$/, /^prom-client$/] },
  { name: 'connect/transforms/script', files: /^src\/connect\/transforms\/script\.ts$/, allowed: [coreIndex, /^src\/connect\//, node, /^jiti$/] },
  // The files that load the optional packages.
  { name: 'connect/schema-registry', files: /^src\/connect\/schema-registry\//, allowed: [coreIndex, /^src\/connect\//, /^zod$/, node, /^avsc$/, /^protobufjs$/] },
  { name: 'connect', files: /^src\/connect\//, allowed: [coreIndex, /^src\/connect\//, /^zod$/, node] },
  { name: 'cli', files: /^src\/cli\//, allowed: [/^src\/(core|streams|connect)\/index\.ts$/, /^millrace(\/|$)/, /^src\/cli\//, node, /^commander$/, /^jiti$/, /^zod$/] },
  { name: 'connectors/file', files: /^connectors\/file\//, allowed: [/^millrace(\/connect)?$/, /^connectors\/file\//, node, /^zod$/, ...ownDriver.file] },
  { name: 'connectors/postgres', files: /^connectors\/postgres\//, allowed: [/^millrace(\/connect)?$/, /^connectors\/postgres\//, node, /^zod$/, ...ownDriver.postgres] },
  { name: 'examples', files: /^examples\//, allowed: [/^millrace(\/|$)/, /^examples\//, node, /^zod$/, /^rxjs$/, /^pg$/] },
  { name: 'bench', files: /^bench\//, allowed: [/^bench\//, /^millrace(\/|$)/, /^src\//, /^connectors\//, /^test\/kit\//, node, /^zod$/, /^rxjs$/, /^kafkajs(\/|$)/] },
]

/** Imports that the table does not allow, and source files that no row names. */
export function forbiddenImports(files: readonly SourceFile[], table: readonly ImportRow[] = importTable): readonly string[] {
  return files.flatMap((file) => {
    const row = table.find(({ files: pattern }) => pattern.test(file.path))
    if (row === undefined) return [`${file.path}: no row of the import table names this file`]
    return file.imports.flatMap(({ specifier, line }) => {
      const target = importTarget(file.path, specifier)
      return row.allowed.some((pattern) => pattern.test(target)) ? [] : [`${file.path}:${line}: ${row.name} must not import ${target}`]
    })
  })
}

/** Project paths for relative imports, the specifier itself for packages. */
export function importTarget(from: string, specifier: string): string {
  return specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : specifier
}

/** One line for each set of files that import each other in a circle. */
export function importCycles(files: readonly SourceFile[]): readonly string[] {
  const targets = new Map(files.map((file) => [file.path, runtimeTargets(file)]))
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start !== -1) cycles.push([...trail.slice(start), path].join(' → '))
    if (start !== -1 || done.has(path)) return
    for (const target of targets.get(path) ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of targets.keys()) visit(path, [])
  return cycles
}

function runtimeTargets(file: SourceFile): readonly string[] {
  return file.imports.filter(({ typeOnly, specifier }) => !typeOnly && specifier.startsWith('.')).map(({ specifier }) => importTarget(file.path, specifier))
}
