import { expect, it } from 'vitest'
import { parseLsn } from '../../../../connectors/postgres/cdc/lsn.ts'
import { forkBefore } from '../../../../connectors/postgres/cdc/timeline.ts'

const history = '1\t0/3000148\tno recovery target specified\n\n3\t0/5000000\tbefore 2026-11-21 07:00:00+00\n'
const fork = (lsn: string, stored: number) => forkBefore(parseLsn(lsn), stored, 4, history)

it('knows a position that the history of the server still has', () => {
  expect(fork('0/3000148', 1)).toBeUndefined()
  expect(fork('0/2FFFFFF', 1)).toBeUndefined()
  expect(fork('0/5000000', 3)).toBeUndefined()
})

it('knows a position behind the fork, and one of a history that the server never had', () => {
  expect(fork('0/3000149', 1)).toContain('left timeline 1 at 0/3000148, before 0/3000149')
  expect(fork('1/0', 3)).toContain('left timeline 3 at 0/5000000')
  expect(fork('0/10', 2)).toContain('does not come from timeline 2')
  expect(forkBefore(1n, 2, 1, '')).toContain('goes by timeline 1')
})
