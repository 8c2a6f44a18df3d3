/**
 * npx jiti tools/compare-with-connect.ts [SEED] [CASES]
 *
 * Runs random cases of transforms, predicates, converters, header values and schema projection through Kafka Connect's own classes
 * and through ours, and prints those that differ, as lines for a file of test/vectors/connect-random. Exit code 1 when one does.
 * Needs Java.
 */
import { join } from 'node:path'
import { seededRandom } from '../src/core/index.ts'
import type { CaseResult } from '../test/conformance/case-result.ts'
import { runConverters } from '../test/conformance/connect-converters.ts'
import { runValues } from '../test/conformance/connect-header-values.ts'
import { runTransforms } from '../test/conformance/connect-transforms.ts'
import { kitFolder, runKafkaTool } from '../test/kit/kafka-jars.ts'
import { RandomConnectCases } from './random-connect-cases.ts'
import type { RandomCase } from './random-connect-cases.ts'

const seed = Number(process.argv[2] ?? 1)
const count = Number(process.argv[3] ?? 5_000)

const random = new RandomConnectCases(seededRandom(seed))
const cases = Array.from({ length: count }, (_, index) => random.next(`found ${seed}-${index}`))
const answers = await runKafkaTool(join(kitFolder, 'connect', 'Cases.java'), [], cases.map((each) => `${JSON.stringify(each)}\n`).join(''))
const expected = answers.trimEnd().split('\n').map((line) => JSON.parse(line) as { skip?: string })

const counts = { same: 0, different: 0, pending: 0, skipped: 0 }
for (const [index, each] of cases.entries()) {
  const expect = expected[index]!
  if (expect.skip !== undefined) counts.skipped++
  else judge({ ...each, expect })
}
process.stdout.write(`seed ${seed}: ${Object.entries(counts).map(([what, number]) => `${number} ${what}`).join(', ')}\n`)
process.exitCode = counts.different === 0 ? 0 : 1

function judge(each: RandomCase): void {
  const { ok, pending, detail } = resultOf(each)
  if (ok) counts.same++
  else if (pending !== undefined) counts.pending++
  else {
    counts.different++
    process.stdout.write(`${JSON.stringify(each)}\n  ${detail ?? ''}\n`)
  }
}

function resultOf(each: RandomCase): CaseResult {
  const run = each.converter !== undefined ? runConverters : each.transform !== undefined || each.predicate !== undefined ? runTransforms : runValues
  try {
    return run([{ path: 'random', content: { cases: [each] } }])[0]!
  } catch (error) {
    return { name: each.name, ok: false, detail: String(error) }
  }
}
