import { expect, it } from 'vitest'
import { preloadArguments } from '../../../src/streams/threads/preload-arguments.ts'

it('takes the modules that are loaded before the program, and nothing else', () => {
  expect(preloadArguments(['--expose-gc', '--import', './tracing.js', '--conditions', 'development', '-r', './old.cjs', '--import=./more.js', '--max-old-space-size=100'])).toEqual(
    ['--import', './tracing.js', '-r', './old.cjs', '--import=./more.js'],
  )
  expect(preloadArguments(['--inspect', '--importer'])).toEqual([])
})
