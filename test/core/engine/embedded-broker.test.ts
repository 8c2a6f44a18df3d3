import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedBroker } from '../../../src/core/index.ts'
import { brokerContract } from '../../contract/broker-suite.ts'

brokerContract('EmbeddedBroker', {
  async start() {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-engine-'))
    const broker = await openEmbeddedBroker({ directory })
    return {
      connect: () => Promise.resolve(broker),
      async stop() {
        await broker.close()
        rmSync(directory, { recursive: true })
      },
    }
  },
})
