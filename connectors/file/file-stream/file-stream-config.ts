/** The options of Apache Kafka's own file connectors (org.apache.kafka.connect.file), with upstream's words. */
import { configSpec, option } from 'millrace/connect'
import type { ConfigOf } from 'millrace/connect'
import { z } from 'zod'

export const fileStreamSourceConfig = configSpec({
  file: option.string({ doc: 'Source filename. If not specified, the standard input will be used', default: null, importance: 'high' }),
  topic: option.string({ doc: 'The topic to publish data to', importance: 'high', check: z.string().min(1, 'String must be non-empty') }),
  'batch.size': option.int({
    doc: 'The maximum number of records the source task can read from the file each time it is polled',
    default: 2000,
    importance: 'low',
  }),
})

export type FileStreamSourceConfig = ConfigOf<typeof fileStreamSourceConfig>

export const fileStreamSinkConfig = configSpec({
  file: option.string({ doc: 'Destination filename. If not specified, the standard output will be used', default: null, importance: 'high' }),
})

export type FileStreamSinkConfig = ConfigOf<typeof fileStreamSinkConfig>
