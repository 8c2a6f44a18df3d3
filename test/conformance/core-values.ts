/** How recorded values of `core/` are written down, and compared. */
import { createHash } from 'node:crypto'
import { isStreamError } from '../../src/core/errors.ts'
import type { VectorFile } from '../kit/vectors.ts'
import type { CaseResult, GroupRunner } from './case-result.ts'

/** Base64, or for long ones length, checksum and what is repeated. */
export type RecordedBytes = string | null | { readonly length: number; readonly sha256: string; readonly repeat: string }

export interface NamedCase {
  readonly name: string
}

/** Thrown by a check: what was expected, what came. */
export class Difference extends Error {}

/** Thrown by a check: it cannot be run, because this does not exist yet. */
export class Pending extends Error {}

export function expectEqual(what: string, actual: unknown, expected: unknown): void {
  const [a, e] = [textOf(actual), textOf(expected)]
  if (a !== e) throw new Difference(`${what}: expected ${shortened(e)}, got ${shortened(a)}`)
}

function textOf(value: unknown): string | undefined {
  return JSON.stringify(value, (_name, member: unknown) => (typeof member === 'bigint' ? String(member) : member)) as string | undefined
}

function shortened(text: string | undefined): string {
  return text === undefined || text.length <= 300 ? String(text) : `${text.slice(0, 300)}… (${text.length} characters)`
}

/** An int64 outside ±(2^53 − 1) is recorded as text; the engine keeps such numbers as the nearest double, and so are they compared. */
export function int64(recorded: number | string): number {
  return Number(recorded)
}

export function expectBytes(what: string, actual: Uint8Array | null, recorded: RecordedBytes): void {
  if (recorded !== null && typeof recorded === 'object') {
    expectEqual(`${what}: length`, actual?.length, recorded.length)
    expectEqual(`${what}: sha256`, createHash('sha256').update(actual!).digest('hex'), recorded.sha256)
  } else {
    expectEqual(what, actual === null ? null : Buffer.from(actual).toString('base64'), recorded)
  }
}

/** The bytes behind a recording. */
export function bytesFrom(recorded: Exclude<RecordedBytes, null>): Buffer {
  if (typeof recorded === 'string') return Buffer.from(recorded, 'base64')
  const repeat = Buffer.from(recorded.repeat, 'base64')
  return Buffer.alloc(recorded.length, repeat)
}

/** A runner of files of the form `{ cases: [...] }`, or of the list that `casesOf` finds in them. */
export function eachCase<Case extends NamedCase>(
  check: (recorded: Case, all: readonly Case[]) => void | Promise<void>,
  casesOf: (content: unknown) => readonly Case[] = (content) => (content as { readonly cases: readonly Case[] }).cases,
): GroupRunner {
  return async (files: readonly VectorFile[]) => {
    const results: CaseResult[] = []
    for (const file of files) {
      const cases = casesOf(file.content)
      for (const recorded of cases) results.push(await resultOf(recorded.name, () => check(recorded, cases)))
    }
    return results
  }
}

async function resultOf(name: string, check: () => void | Promise<void>): Promise<CaseResult> {
  try {
    await check()
    return { name, ok: true }
  } catch (error) {
    if (error instanceof Pending) return { name, ok: false, pending: error.message }
    if (error instanceof Difference || isStreamError(error)) return { name, ok: false, detail: error.message }
    throw error
  }
}
