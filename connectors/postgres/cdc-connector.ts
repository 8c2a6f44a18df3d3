import { connectorError } from 'millrace/connect'
import type { ConnectorSignal, RawConfig, SourceConnector, SourceOffset, SourcePartition } from 'millrace/connect'
import { positionOf } from './cdc/position.ts'
import { sendSignal } from './cdc/signal.ts'
import type { PostgresCdcConfig } from './cdc-config.ts'
import { Connection } from './connection.ts'

/** A slot has one reader, so there is one task. */
export class PostgresCdcConnector implements SourceConnector<PostgresCdcConfig> {
  start(): void {}

  taskConfigs(): readonly RawConfig[] {
    return [{}]
  }

  stop(): void {}

  supportsExactlyOnce(): boolean {
    return true
  }

  alterOffsets(config: PostgresCdcConfig, offsets: readonly (readonly [SourcePartition, SourceOffset | null])[]): boolean {
    for (const [partition, offset] of offsets) {
      if (partition['server'] !== config['topic.prefix']) throw connectorError(`${JSON.stringify(partition)} is no source partition of this connector: {"server": "${config['topic.prefix']}"} is`)
      if (offset !== null) positionOf(offset)
    }
    return false
  }

  async signal(config: PostgresCdcConfig, signal: ConnectorSignal): Promise<void> {
    const connection = new Connection(config, 'millrace')
    try {
      await connection.use((client) => sendSignal(client, signal, { slot: config['slot.name'], includeList: config['table.include.list'] }))
    } finally {
      await connection.close()
    }
  }
}
