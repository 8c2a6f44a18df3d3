import type { Command } from 'commander'
import { openEmbeddedBroker } from '../core/index.ts'
import type { Broker } from '../core/index.ts'
import { requireDirectory } from './files.ts'

export interface BackendOptions {
  readonly data: string
}

/** Options that every command about a log has. */
export function addBackendOptions(command: Command): Command {
  return command.option('--data <directory>', 'where the embedded log lies', './.millrace')
}

/** Opens the log, which must be there already, and closes it again whatever happens. */
export async function withBroker<T>(options: BackendOptions, use: (broker: Broker) => Promise<T>): Promise<T> {
  requireDirectory(options.data)
  return withNewBroker(options, use)
}

/** As `withBroker`, but an absent directory becomes an empty log. */
export async function withNewBroker<T>(options: BackendOptions, use: (broker: Broker) => Promise<T>): Promise<T> {
  const broker = await openEmbeddedBroker({ directory: options.data })
  try {
    return await use(broker)
  } finally {
    await broker.close()
  }
}
