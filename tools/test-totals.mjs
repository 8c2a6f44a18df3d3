// node tools/test-totals.mjs REPORT.json…: what failed, with its reason, and one line with the totals of vitest's JSON reports.
import { existsSync, readFileSync } from 'node:fs'
import { basename, relative } from 'node:path'

const reasonLines = 12
const totals = { passed: 0, failed: 0, skipped: 0 }

function tellFailure(report, file, title, reason) {
  totals.failed++
  const lines = reason.split('\n').slice(0, reasonLines).map((line) => `    ${line}`)
  console.log([`FAILED in ${basename(report, '.json')}: ${relative('.', file)}${title}`, ...lines].join('\n'))
}

for (const path of process.argv.slice(2).filter(existsSync)) {
  const report = JSON.parse(readFileSync(path, 'utf8'))
  totals.passed += report.numPassedTests
  totals.skipped += report.numPendingTests + report.numTodoTests
  for (const file of report.testResults.filter(({ status }) => status === 'failed')) {
    const failed = file.assertionResults.filter(({ status }) => status === 'failed')
    for (const test of failed) tellFailure(path, file.name, `: ${test.fullName}`, test.failureMessages.join('\n'))
    // A file that could not even be loaded has no tests to count.
    if (failed.length === 0) tellFailure(path, file.name, '', file.message)
  }
}
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
