import { describe, expect, it } from 'vitest'
import { GroupCommit } from '../../../src/core/log/group-commit.ts'

describe('GroupCommit', () => {
  it('never has two syncs at once, whenever it is asked, and ends what is asked for last with one that began later', async () => {
    let running = 0
    let most = 0
    let started = 0
    const ends: (() => void)[] = []
    const commit = new GroupCommit(() => {
      started++
      most = Math.max(most, ++running)
      return new Promise<void>((resolve) => ends.push(resolve)).then(() => void running--)
    })
    const begunAfter: Promise<boolean>[] = []
    const ask = () => {
      const before = started
      begunAfter.push(commit.commit().then(() => started > before))
    }
    ask()
    ask()
    // Somebody asks in each of the moments between the end of the first and the start of the second.
    ends.shift()!()
    for (let moment = 0; moment < 12; moment++) {
      ask()
      await Promise.resolve()
    }
    const idle = commit.idle()
    while (commit.isBusy) {
      ends.shift()?.()
      await Promise.resolve()
    }
    await idle
    expect(await Promise.all(begunAfter)).toEqual(begunAfter.map(() => true))
    expect(most).toBe(1)
  })
})
