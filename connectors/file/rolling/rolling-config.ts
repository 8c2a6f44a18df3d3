import { configSpec, option } from 'millrace/connect'
import type { ConfigOf } from 'millrace/connect'
import { z } from 'zod'
import { pathComplaint } from './path-format.ts'

const options = {
  path: option.string({
    doc: 'The name of a file, without the ending of its compression: {topic}, {partition}, {offset} (of its first record; needed, as is {partition}) and, of the time of the record in UTC, {yyyy}, {MM}, {dd}, {HH}, {mm} or several of them as in {yyyy-MM-dd}. Records of other times go to other files.',
    check: z.string().superRefine((path, context) => {
      const complaint = pathComplaint(path)
      if (complaint !== undefined) context.addIssue({ code: 'custom', message: complaint })
    }),
  }),
  format: option.oneOf(['json', 'record', 'text', 'csv', 'parquet'], {
    doc: 'json: the value as JSON, a line each. record: a JSON object with topic, partition, offset, timestamp, key and value. text: the value as text. csv: the fields of the value, with a header. parquet: columnar.',
    default: 'json',
  }),
  compression: option.oneOf(['none', 'gzip', 'zstd'], { doc: 'Of the file; .gz or .zst is added to its name. Parquet compresses its columns itself (snappy).', default: 'none' }),
  'roll.bytes': option.long({ doc: 'A file is published when it has as many bytes.', default: 128 * 1_048_576, check: z.number().min(1) }),
  'roll.records': option.int({ doc: 'A file is published when it has as many records. 0: any number.', default: 0, check: z.number().min(0) }),
  'roll.interval.ms': option.int({ doc: 'Files are published when the first of their records has waited for so long.', default: 60_000, check: z.number().min(1) }),
  'max.open.files': option.int({ doc: 'Most files of a partition that are written at a time, such as those of several days. One more publishes them all.', default: 50, check: z.number().min(1) }),
}

export const rollingFileSinkConfig = configSpec(options, {
  rules: (config) => (config.format === 'parquet' && config.compression !== 'none' ? { compression: 'Parquet compresses its columns itself; leave compression at none' } : {}),
})

export type RollingFileSinkConfig = ConfigOf<typeof rollingFileSinkConfig>
