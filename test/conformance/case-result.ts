/**
 * What a conformance adapter is: a module that exports `groups`, a function for each group of vectors it can run. The same
 * adapters stand behind `npm test` (over test/vectors) and `npm run conformance -- DIR` (over any folder of the same layout).
 */
import type { VectorFile } from '../kit/vectors.ts'

export interface CaseResult {
  /** Of the case or scenario inside its group, unique there. */
  readonly name: string
  /** False with `pending`, too. */
  readonly ok: boolean
  /** The first difference: which step, what was expected, what came. Required when not ok. */
  readonly detail?: string
  /** Not run, because this does not exist yet: the name of an operator, a codec, an API. Counted apart. */
  readonly pending?: string
}

/** Runs the files of one group (see `vectorGroup`); never throws for a difference, only for files it cannot understand. */
export type GroupRunner = (files: readonly VectorFile[]) => readonly CaseResult[] | Promise<readonly CaseResult[]>

/** Group name → runner, such as `window`, `transforms`, `record-batch`. */
export type ConformanceGroups = Readonly<Record<string, GroupRunner>>
