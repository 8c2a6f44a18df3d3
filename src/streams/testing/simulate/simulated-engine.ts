import { openEmbeddedBroker } from '../../../core/index.ts'
import type { Broker, Clock, Random } from '../../../core/index.ts'
import { MemoryFileSystem } from '../../../core/testing/memory-file-system.ts'

export interface SimulatedEngineOptions {
  readonly clock: Clock
  /** Decides what is left of writes that were not synced when the power went. */
  readonly random: Random
}

/** A disk, until its power is cut. */
interface PoweredDisk {
  readonly disk: MemoryFileSystem
  /** Operations until the power is cut. */
  left: number
  /** What is found when the power comes back; null while it is on. */
  found: MemoryFileSystem | null
}

/**
 * The embedded engine on a disk that may lose its power at any operation:
 * ```
 *   on ──cutPowerAfter(n), n operations──▶ off: every operation fails ──restart──▶ on
 *    └───────────────────────restart──────────────────────────────────────────────▲
 * ```
 * After a restart everything that was synced is there; of the rest, whatever chance left: all of it, nothing, or some sectors.
 */
export class SimulatedEngine {
  readonly #options: SimulatedEngineOptions
  #power: PoweredDisk
  #broker: Broker

  private constructor(power: PoweredDisk, broker: Broker, options: SimulatedEngineOptions) {
    this.#power = power
    this.#broker = broker
    this.#options = options
  }

  /** On what a disk has at this moment, which stays as it is. */
  static async open(disk: MemoryFileSystem, options: SimulatedEngineOptions): Promise<SimulatedEngine> {
    const power = powered(disk, options.random)
    return new SimulatedEngine(power, await openBroker(power.disk, options), options)
  }

  get broker(): Broker {
    return this.#broker
  }

  get isOff(): boolean {
    return this.#power.found !== null
  }

  cutPowerAfter(operations: number): void {
    this.#power.left = operations
  }

  /** Cuts the power, if it is on, and begins again with what the disk has. Nobody closes the broker that was: its process is gone. */
  async restart(): Promise<void> {
    const { random } = this.#options
    this.#power.found ??= this.#power.disk.crash({ random })
    this.#power = powered(this.#power.found, random)
    this.#broker = await openBroker(this.#power.disk, this.#options)
  }
}

export async function openBroker(fileSystem: MemoryFileSystem, { clock, random }: SimulatedEngineOptions): Promise<Broker> {
  return openEmbeddedBroker({ directory: '/simulated', fileSystem, clock, random })
}

function powered(before: MemoryFileSystem, random: Random): PoweredDisk {
  const power: PoweredDisk = { disk: before.kill({ random, fault: () => (isOn(power, random) ? null : 'EIO') }), left: Infinity, found: null }
  return power
}

function isOn(power: PoweredDisk, random: Random): boolean {
  if (power.found === null && power.left-- > 0) return true
  power.found ??= power.disk.crash({ random })
  return false
}
