/**
 * The fenced `ts` blocks of documents and doc comments, so that a test can compile what users will copy. A page may say once
 * what its examples begin with, in a block marked `ts prelude`; each of its blocks marked `ts run` is compiled behind it, and
 * run by test/e2e/doc-examples.test.ts, which compares what it prints with its comments of the form `// → text`.
 */
import type { SourceFile } from './source-scan.ts'

export interface Snippet {
  /** Where the block opens: `docs/guide/x.md:12`. */
  readonly place: string
  readonly code: string
  /** The lines that the block says it prints; null for one that is only compiled. */
  readonly prints: readonly string[] | null
}

const fence = /^(?<indent>[ \t]*)```ts(?<role> prelude| run)?[ \t]*\n(?<code>[\s\S]*?)^[ \t]*```[ \t]*$/gm

export function snippetsOfDocument(path: string, text: string, firstLine = 1): readonly Snippet[] {
  let prelude = ''
  return [...text.matchAll(fence)].map((match) => {
    const { indent, role, code: indented } = match.groups as { indent: string; role?: string; code: string }
    const own = indented.replaceAll(new RegExp(`^${indent}`, 'gm'), '')
    if (role === ' prelude') prelude = own
    return {
      place: `${path}:${firstLine + text.slice(0, match.index).split('\n').length - 1}`,
      code: role === ' run' ? `${prelude}\n${own}` : own,
      prints: role === ' run' ? printedLines(own) : null,
    }
  })
}

function printedLines(code: string): readonly string[] {
  return [...code.matchAll(/\/\/ → (.*)$/gm)].map((match) => match[1]!.trimEnd())
}

export function snippetsOfSource(file: SourceFile): readonly Snippet[] {
  return file.comments.flatMap(({ text, line }) => snippetsOfDocument(file.path, text.replaceAll(/^[ \t]*\/?\*+\/?( |$)/gm, ''), line))
}

/** Paths that a document names in backquotes and that are meant to be in the project: `src/core/log/segment.ts`, `test/contract/`. */
export function projectPathsOf(path: string, text: string): readonly { readonly place: string; readonly target: string }[] {
  return text.split('\n').flatMap((line, index) =>
    [...line.matchAll(/`((?:src|test|connectors|examples|bench|tools|docs)\/[\w./-]*)`|\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)].map((match) => ({
      place: `${path}:${index + 1}`,
      target: match[1] ?? match[2]!,
    })),
  )
}
