/** The pipeline as a process of its own, for those who want to kill it: runs until SIGTERM, then commits and exits with 0. */
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { startPipeline } from './pipeline.ts'

const { values: options } = parseArgs({
  options: { log: { type: 'string' }, data: { type: 'string' }, kafka: { type: 'string' }, postgres: { type: 'string' } },
})
if (options.log === undefined || options.data === undefined) throw new Error('usage: pipeline-process --log FILE --data DIRECTORY [--kafka HOST:PORT] [--postgres URL]')

const terminated = once(process, 'SIGTERM')
const pipeline = await startPipeline({ logFile: options.log, dataDirectory: options.data, kafka: options.kafka, postgresUrl: options.postgres })
process.send?.('working')
await Promise.race([terminated, pipeline.finished])
await pipeline.close()
