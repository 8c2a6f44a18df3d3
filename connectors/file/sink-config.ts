import { configSpec, option } from 'millrace/connect'
import type { ConfigOf } from 'millrace/connect'

const options = {
  path: option.string({
    doc: 'The file to append to. {topic} and {partition} stand for those of the record: one file each. Folders are made where they are missing.',
    default: null,
  }),
  file: option.string({ doc: 'Another name for `path`.', default: null }),
  format: option.oneOf(['value', 'record'], {
    doc: 'What a line holds. value: text as it is, anything else as JSON. record: a JSON object with topic, partition, offset, timestamp, key and value.',
    default: 'value',
  }),
}

export const fileSinkConfig = configSpec(options, {
  rules: (config) => ((config.path ?? config.file ?? '') === '' ? { path: 'path must name the file to write' } : {}),
})

export type FileSinkConfig = ConfigOf<typeof fileSinkConfig>

/** The file to write, by whichever name it was given. */
export function pathOf(config: FileSinkConfig): string {
  return config.path ?? config.file ?? ''
}
