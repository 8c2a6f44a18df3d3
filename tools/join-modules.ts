/**
 * npm run build, its second half: the programs in dist/, from the sources. They are what is published, and what tests, examples and
 * benches run.
 *
 * A module costs Node's loader about 0.4 ms, so modules that are loaded together stand in one file, in dist/joined. `stages` decides in
 * which: a module belongs to the first stage that needs it. So a file imports from its own stage's shared part and from earlier
 * stages only, and nothing is there twice. Entry points keep their paths, where a line or two name what they export.
 */
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import type { PluginContext, PreRenderedChunk } from 'rolldown'

const root = fileURLToPath(new URL('../', import.meta.url))
const dist = join(root, 'dist')

/** Each a list of modules that are asked for from outside or by `import()`; what several of a stage need is in a file of its own. The rest comes last. */
const stages: readonly (readonly string[])[] = [
  ['src/core/index.ts'],
  ['src/core/engine/local-engine.ts'],
  ['src/core/engine/embedded-group-member.ts', 'src/core/kafka/connect-kafka-broker.ts', 'src/core/engine/directory-journal.ts', 'src/core/log/compact-segments.ts'],
  ['src/streams/index.ts'],
  ['src/streams/threads/thread-worker.ts', 'src/streams/testing/arbitraries.ts'],
  ['src/connect/runtime/task-worker.ts'],
  ['src/connect/index.ts'],
  ['src/connect/rest/serve-rest.ts', 'src/streams/testing/index.ts', 'connectors/file/index.ts', 'connectors/postgres/index.ts'],
  ['src/cli/main.ts'],
]

/**
 * What stands in no file with others: what works as soon as it is loaded (the command, and what worker threads run), and the names of
 * `millrace`, behind which is what the first stage has.
 */
const programs = ['src/index.ts', 'src/cli/main.ts', 'src/cli/run-worker.ts', 'src/connect/runtime/task-worker.ts', 'src/streams/threads/thread-worker.ts']
const published = [
  'src/core/index.ts', 'src/streams/index.ts', 'src/connect/index.ts', 'src/streams/testing/index.ts', 'src/streams/testing/arbitraries.ts',
  'connectors/file/index.ts', 'connectors/postgres/index.ts', ...programs,
]
const unpublished = ['examples', 'bench', 'test/kit'].flatMap((folder) => filesIn(folder, /(?<!\.d)\.ts$/))

/** Of each published module, the name of the file that it stands in. */
const joined = new Map<string, string>()

function filesIn(folder: string, pattern: RegExp): readonly string[] {
  const path = join(root, folder)
  return existsSync(path) ? readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((file) => pattern.test(file)).map((file) => join(folder, file)) : []
}

function isOurs(id: string): boolean {
  return /^(src|connectors)\//.test(relative(root, id))
}

/** Fills `joined`, when the whole graph of modules is known. */
function joinModules(graph: Pick<PluginContext, 'getModuleInfo'>): void {
  const askedFor = new Set<string>()
  const addNeeded = (id: string, needed: Set<string>): Set<string> => {
    if (needed.has(id) || joined.has(id) || !isOurs(id)) return needed
    needed.add(id)
    const module = graph.getModuleInfo(id)
    for (const asked of module?.dynamicallyImportedIds ?? []) if (isOurs(asked)) askedFor.add(asked)
    for (const imported of module?.importedIds ?? []) addNeeded(imported, needed)
    return needed
  }
  const join = (stage: readonly string[]) => {
    const parts = stage.map((id) => ({ id, needed: addNeeded(id, new Set()) }))
    for (const part of parts) {
      for (const id of part.needed) if (!isProgram(id)) joined.set(id, parts.some((other) => other !== part && other.needed.has(id)) ? `${nameOf(stage[0]!)}-shared` : nameOf(part.id))
    }
  }
  for (const stage of stages) join(stage.map(absolute))
  join(published.map(absolute))
  join([...askedFor])
}

function isProgram(id: string): boolean {
  return programs.includes(relative(root, id))
}

function absolute(path: string): string {
  return join(root, path)
}

/** 'core' of src/core/index.ts, 'local-engine' of src/core/engine/local-engine.ts. */
function nameOf(id: string): string {
  return basename(id.replace(/(\/index)?\.ts$/, ''))
}

/**
 * Where `import()` asks for a module that stands in a larger file, there is a small one at the module's own path. What several
 * unpublished programs share stays beside them, where it finds the files that it looks for.
 */
function fileNameOf({ facadeModuleId, moduleIds }: PreRenderedChunk): string {
  if (moduleIds.length === 0 && typeof facadeModuleId === 'string') return relative(root, facadeModuleId).replace(/ts$/, 'js')
  const isPublished = moduleIds.every((id) => joined.has(id) || isProgram(id) || !id.startsWith(root))
  return isPublished ? 'joined/[name].js' : relative(root, moduleIds[0]!).replace(/ts$/, 'shared.js')
}

const bundle = await rolldown({
  cwd: root,
  input: Object.fromEntries([...published, ...unpublished].map((path) => [path.replace(/\.ts$/, ''), absolute(path)])),
  external: (id) => !/^[./]/.test(id),
  platform: 'node',
  preserveEntrySignatures: 'allow-extension',
  plugins: [{ name: 'join-modules', buildEnd() { joinModules(this) } }],
})
const { output } = await bundle.write({
  dir: dist,
  format: 'es',
  entryFileNames: '[name].js',
  chunkFileNames: fileNameOf,
  codeSplitting: {
    groups: [{ debugName: 'joined', name: (id) => (id.startsWith(root) ? joined.get(id) ?? null : nameOf(published[0]!)) }],
    includeDependenciesRecursively: false,
  },
  minifyInternalExports: false,
  // What they document stands in the declarations.
  comments: { legal: true, annotation: false, jsdoc: false },
  sourcemap: true,
  sourcemapExcludeSources: true,
})
await bundle.close()

const written = new Set(output.map(({ fileName }) => fileName))
for (const file of filesIn('dist', /\.js(\.map)?$/)) if (!written.has(relative('dist', file))) rmSync(absolute(file))
chmodSync(join(dist, 'src/cli/main.js'), 0o755)
