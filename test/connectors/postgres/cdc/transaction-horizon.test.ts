import { expect, it } from 'vitest'
import { TransactionHorizon } from '../../../../connectors/postgres/cdc/transaction-horizon.ts'

it('sees what had ended, and not what ran or came later', () => {
  const horizon = new TransactionHorizon('10:20:12,15')
  expect([9, 10, 12, 15, 19, 20, 1000].map((xid) => horizon.sees(xid))).toEqual([true, true, false, false, true, false, false])
})

it('goes on where 32-bit ids come round', () => {
  const horizon = new TransactionHorizon(`${2n ** 32n - 5n}:${2n ** 32n + 5n}:${2n ** 32n + 1n}`)
  expect([2 ** 32 - 6, 2 ** 32 - 1, 0, 1, 4, 5].map((xid) => horizon.sees(xid))).toEqual([true, true, true, false, true, false])
})
