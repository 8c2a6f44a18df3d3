import { configSpec, option } from 'millrace/connect'
import type { ConfigOf } from 'millrace/connect'
import { z } from 'zod'

export const fileSinkConfig = configSpec({
  file: option.string({
    doc: 'The file to append to. {topic} and {partition} stand for those of the record: one file each. Folders are made where they are missing.',
    check: z.string().min(1),
  }),
  format: option.oneOf(['value', 'record'], {
    doc: 'What a line holds. value: text as it is, anything else as JSON. record: a JSON object with topic, partition, offset, timestamp, key and value.',
    default: 'value',
  }),
})

export type FileSinkConfig = ConfigOf<typeof fileSinkConfig>
