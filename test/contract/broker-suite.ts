/**
 * What every Broker promises: the one contract suite that all backends run. It asserts only what Apache Kafka promises
 * too: topics may take a moment to appear, a group's generation may be unknown to its description, times are loose.
 */
import { afterAll, beforeAll, describe, it } from 'vitest'
import type { Broker } from '../../src/core/index.ts'
import type { ContractBackend, ContractLog } from './contract-kit.ts'
import { clusterContract } from './cluster-contract.ts'
import { closingContract } from './closing-contract.ts'
import { groupContract } from './group-contract.ts'
import { joiningContract } from './joining-contract.ts'
import { producerContract } from './producer-contract.ts'
import { readerContract } from './reader-contract.ts'
import { topicContract } from './topic-contract.ts'
import { rebalanceContract } from './rebalance-contract.ts'
import { refusalContract } from './refusal-contract.ts'
import { transactionContract } from './transaction-contract.ts'

export type { ContractBackend, ContractLog } from './contract-kit.ts'

/** A test of the contract: `promise` is a sentence about behaviour. */
export type Promises = (promise: string, check: (broker: Broker, another: Broker) => Promise<void>) => void

const testTimeoutMs = 90_000

export function brokerContract(name: string, backend: ContractBackend): void {
  describe(`${name} keeps the broker contract`, () => {
    let log: ContractLog
    let broker: Broker
    let another: Broker
    beforeAll(async () => {
      log = await backend.start()
      broker = await log.connect()
      another = await log.connect()
    })
    afterAll(() => log?.stop())

    const promisesOf = (add: typeof it | typeof it.concurrent): Promises => (promise, check) => {
      const reason = backend.skips?.[promise]
      if (reason !== undefined) it.skip(`${promise} (${reason})`, () => undefined)
      else add(promise, () => check(broker, another), testTimeoutMs)
    }
    const promises = promisesOf(it)
    describe('clusters', () => clusterContract(promises))
    describe('topics', () => topicContract(promises))
    describe('producers', () => producerContract(promises))
    describe('readers', () => readerContract(promises))
    const ofGroups = backend.groupsSideBySide === true ? promisesOf(it.concurrent) : promises
    describe('groups', () => groupContract(ofGroups))
    describe('groups that move', () => rebalanceContract(ofGroups))
    describe('groups that are joined', () => joiningContract(ofGroups))
    describe('what groups refuse', () => refusalContract(promises))
    describe('transactions', () => transactionContract(promises))
    describe('closing', () => closingContract(() => backend.start()))
  })
}
