/** Short programs for tests of operators: text in, text out. */
import { stringSerde } from '../../../src/core/index.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { TopologyTestDriver } from '../../../src/streams/testing/index.ts'
import type { TestDriverOptions } from '../../../src/streams/testing/index.ts'
import { topic } from '../../../src/streams/topic.ts'
import type { Windowed } from '../../../src/streams/windows.ts'

export const text = { key: stringSerde, value: stringSerde }
export const output = topic('out', text)

/** `key,value@timestamp` piped into a topic; what comes out in the same form. */
export class Program {
  readonly driver: TopologyTestDriver

  constructor(build: (builder: StreamsBuilder) => void, options: TestDriverOptions = {}) {
    const builder = new StreamsBuilder({ defaultKey: stringSerde as never, defaultValue: stringSerde as never })
    build(builder)
    this.driver = new TopologyTestDriver(builder.build(), options)
  }

  pipe(name: string, ...records: readonly string[]): readonly string[] {
    for (const record of records) {
      const [, key, value, timestamp] = /^(.*),(.*)@(\d+)$/.exec(record)!
      this.driver.inputTopic(topic(name, text)).pipe({ key: orNull(key!), value: orNull(value!), timestamp: Number(timestamp) })
    }
    return this.driver.outputTopic(output).readAll().map(({ key, value, timestamp }) => `${key},${value}@${timestamp}`)
  }
}

function orNull(part: string): string | null {
  return part === 'null' ? null : part
}

/** A windowed key as text: `key[start,end]`. */
export function showWindow<K>(_value: unknown, { key, start, end }: Windowed<K>): string {
  return `${String(key)}[${start},${end}]`
}
