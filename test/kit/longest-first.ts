import { relative } from 'node:path'
import { BaseSequencer } from 'vitest/node'
import type { TestSpecification } from 'vitest/node'

/**
 * Starts the test files that take longest first, so that the last worker does not end minutes after the others. Vitest
 * knows how long a file took only where it has run before, which a fresh clone has not: `seconds` says it, roughly, for the few that matter.
 */
export function longestFirst(seconds: Readonly<Record<string, number>>): typeof BaseSequencer {
  return class extends BaseSequencer {
    override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
      const weight = ({ moduleId }: TestSpecification) => seconds[relative(this.ctx.config.root, moduleId)] ?? 0
      return (await super.sort(files)).toSorted((a, b) => weight(b) - weight(a))
    }
  }
}
