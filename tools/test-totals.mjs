// node tools/test-totals.mjs REPORT.json…: one line with the totals of vitest's JSON reports.
import { existsSync, readFileSync } from 'node:fs'

const totals = { passed: 0, failed: 0, skipped: 0 }
for (const path of process.argv.slice(2).filter(existsSync)) {
  const report = JSON.parse(readFileSync(path, 'utf8'))
  totals.passed += report.numPassedTests
  totals.failed += report.numFailedTests
  totals.skipped += report.numPendingTests + report.numTodoTests
  // A file that could not even be loaded has no tests to count.
  totals.failed += report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed')).length
}
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
