/** Captures databases in tests: each with a slot of its own, which is gone when the test ends. */
import { afterEach } from 'vitest'
import { systemClock } from 'millrace/connect'
import { postgresCdcSource } from '../../connectors/postgres/plugins.ts'
import { queryRows } from './postgres.ts'
import { SourceHarness } from './source-harness.ts'
import type { Given } from './source-harness.ts'

let sources: { harness: { stop(): Promise<void> }; url: string; slot: string }[] = []
let slots = 0

const longestPollMs = 100
/** Polls in which nothing comes, in a minute at least. */
export const patientPolls = 60_000 / longestPollMs

/** Call once in a test file. */
export function dropSlotsAfterEach(): void {
  afterEach(async () => {
    for (const { harness } of sources) await harness.stop()
    for (const { url, slot } of sources) {
      await queryRows(url, `select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active`, [slot]).catch(() => [])
      await queryRows(url, `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1`, [slot]).catch(() => [])
    }
    sources = []
  })
}

type Config = Record<string, string>

export function capture(url: string, config: Config = {}) {
  const slot = config['slot.name'] ?? `test_${process.pid}_${++slots}`
  const harness = new SourceHarness(
    postgresCdcSource,
    { 'connection.url': url, 'topic.prefix': 'db', 'slot.name': slot, format: 'flat', 'status.interval.ms': '200', ...config },
    systemClock,
    longestPollMs,
  )
  sources.push({ harness, url, slot })
  return harness
}

/** Polls until as many records were given that are no heartbeats. */
export async function untilGiven(source: { poll(): Promise<number>; given: readonly Given[] }, count: number): Promise<readonly Given[]> {
  // changes may come one by one: what must not go on is polls that give nothing
  for (let emptyPolls = 0; rows(source).length < count && emptyPolls < patientPolls;) emptyPolls = (await source.poll()) > 0 ? 0 : emptyPolls + 1
  return rows(source)
}

export const rows = (source: { given: readonly Given[] }) => source.given.filter(({ topic }) => !topic.endsWith('.heartbeat'))
export const values = (given: readonly Given[]) => given.map(({ value }) => value)

/** Until a poll gives something; for what is known to come. */
export async function pollUntilSome(source: { poll(): Promise<number> }): Promise<void> {
  for (let polls = 0; (await pollPatiently(source)) === 0 && polls < patientPolls;) polls++
}

/** The connection may still be held by the walsender that has not noticed the end of its reader. */
export async function pollPatiently(source: { poll(): Promise<number> }): Promise<number> {
  for (let tries = 0; ; tries++) {
    try {
      return await source.poll()
    } catch (error) {
      if (tries > 600 || (error as { retriable?: boolean }).retriable !== true) throw error
      await new Promise((resolve) => systemClock.setTimer(50, () => resolve(undefined)))
    }
  }
}
