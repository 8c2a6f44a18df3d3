import { openKafkaBroker } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import type { ContractBackend } from '../contract/broker-suite.ts'

/** A cluster as the contract suite wants it: every `connect` is another client of it. */
export function kafkaContractBackend(bootstrapServers: () => string): ContractBackend {
  return {
    groupsSideBySide: true,
    start() {
      const clients: Broker[] = []
      const connect = async () => {
        const broker = await openKafkaBroker({ brokers: bootstrapServers().split(',') })
        clients.push(broker)
        return broker
      }
      const stop = async () => void await Promise.all(clients.map((client) => client.close()))
      return Promise.resolve({ connect, stop })
    },
  }
}
