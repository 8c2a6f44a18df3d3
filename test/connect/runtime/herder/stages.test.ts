import { expect, it } from 'vitest'
import { Stages } from '../../../../src/connect/runtime/herder/stages.ts'
import { ManualClock } from '../../../kit/manual-clock.ts'

it('Stages tells what is being done, or was done last, and since when', async () => {
  const clock = new ManualClock(0)
  const stages = new Stages(clock)
  expect(stages.text).toBe('')
  let release = () => {}
  const done = stages.during('writing to the config topic', () => new Promise<void>((resolve) => { release = resolve }))
  await clock.advance(1_000)
  expect(stages.text).toBe('The worker is currently writing to the config topic, which began at 1970-01-01T00:00:00.000Z')
  release()
  await done
  expect(stages.text).toBe('The last operation the worker completed was writing to the config topic, which began at 1970-01-01T00:00:00.000Z and completed at 1970-01-01T00:00:01.000Z')
})
