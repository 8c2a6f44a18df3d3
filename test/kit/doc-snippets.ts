/** The fenced `ts` blocks of documents and doc comments, so that a test can compile what users will copy. */
import type { SourceFile } from './source-scan.ts'

export interface Snippet {
  /** Where the block opens: `docs/guide/x.md:12`. */
  readonly place: string
  readonly code: string
}

const fence = /^(?<indent>[ \t]*)```ts[ \t]*\n(?<code>[\s\S]*?)^[ \t]*```[ \t]*$/gm

export function snippetsOfDocument(path: string, text: string, firstLine = 1): readonly Snippet[] {
  return [...text.matchAll(fence)].map((match) => ({
    place: `${path}:${firstLine + text.slice(0, match.index).split('\n').length - 1}`,
    code: match.groups!['code']!.replaceAll(new RegExp(`^${match.groups!['indent']!}`, 'gm'), ''),
  }))
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
