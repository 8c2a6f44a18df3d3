import { compileFunction } from 'node:vm'

/** A function made of source text, for what is called once for each record; null where no code may be made at run time. */
export function runTimeCode(source: string, parameters: readonly string[]): ((...args: readonly unknown[]) => unknown) | null {
  try {
    return compileFunction(source, parameters) as (...args: readonly unknown[]) => unknown
  } catch {
    return null
  }
}
