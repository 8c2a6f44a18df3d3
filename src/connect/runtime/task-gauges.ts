import type { GaugeSettings } from '../connector.ts'
import { connectorError } from '../errors.ts'

/** What a gauge showed when it was last looked at; plain data, since it crosses threads. */
export interface GaugeReading extends GaugeSettings {
  readonly value: number
}

/** A task with more than this has mistaken records for gauges. */
const maxGauges = 100

/** The numbers that one task publishes about itself. */
export class TaskGauges {
  readonly #gauges = new Map<string, GaugeSettings & { readonly read: () => number }>()

  /** A gauge of the same name takes the place of the one before. @throws for a name that Prometheus does not take, or when there are too many */
  set(settings: GaugeSettings, read: () => number): void {
    const { name } = settings
    if (!/^[a-z][a-z0-9_]{0,99}$/.test(name)) throw connectorError(`the gauge "${name}" needs a name of small letters, digits and _, with its unit last, such as file_lag_bytes`)
    if (!this.#gauges.has(name) && this.#gauges.size >= maxGauges) throw connectorError(`a task may publish ${maxGauges} gauges; "${name}" is one more`)
    this.#gauges.set(name, { name, help: settings.help, read })
  }

  /** A gauge that cannot be read now is left out. */
  readings(): readonly GaugeReading[] {
    return [...this.#gauges.values()].flatMap(({ name, help, read }) => {
      const value = valueOf(read)
      return value === undefined ? [] : [{ name, help, value }]
    })
  }
}

/** A number for people must not fail the task. */
function valueOf(read: () => number): number | undefined {
  try {
    const value = read()
    return Number.isNaN(value) ? undefined : value
  } catch {
    return undefined
  }
}
