/** What the recordings did with Kafka's Java consumer, done with members of ours. */
import type { GroupMember, GroupOptions, OffsetReset } from '../../../src/core/index.ts'
import type { ScenarioEngine } from './scenario-engine.ts'
import { ClientOnlyStep, textOf } from './scenario.ts'
import type { Call, Calls, Json, JsonObject } from './scenario.ts'

const unitMs: Readonly<Record<string, number>> = { D: 86_400_000, H: 3_600_000, M: 60_000, S: 1_000 }
/** The member of the recording that was thrown out had three seconds. */
const thrownOutAfterMs = 3_000
/** A reset takes one read, the records another. */
const readsUntilSettled = 4

let groups = 0

/** A consumer with a choice that ours does not have. */
const clientOnly: Call = async () => {
  throw new ClientOnlyStep()
}

export const javaConsumerCalls: Calls = {
  op: {
    pollWithoutCommittedOffset: (context, args) => withMember(context, args, (member, topic) => poll(context, member, topic)),
    pollAfterSeek: (context, args) => withMember(context, args, (member, topic) => {
      member.seek({ topic, partition: 0, offset: args['seek'] as number })
      return poll(context, member, topic)
    }),
    consumerConfig: (context, args) => withMember(context, args, async () => 'ok'),

    async 'commitSync while assigned by hand'({ broker, engine }, _args, step) {
      const { offset, metadata } = step.result as { readonly offset: number; readonly metadata: string }
      const [topic] = await engine.listTopics({ includeInternal: false })
      await broker.groups.setOffsets('by-hand', [{ topic: topic!, partition: 0, offset, metadata }])
      const [found] = (await broker.groups.describe('by-hand')).offsets
      return { offset: found!.offset, metadata: found!.metadata! }
    },
    async 'commit negative'({ broker, engine }) {
      const [topic] = await engine.listTopics({ includeInternal: false })
      await broker.groups.setOffsets('by-hand', [{ topic: topic!, partition: 0, offset: -1 }])
      return 'ok'
    },
    'committed of nothing': (context) => withMember(context, {}, async (member, topic) => String((await member.committed([{ topic, partition: 0 }]))[0]?.offset ?? null)),
    'seek unassigned': (context) => withMember(context, {}, async (member, topic) => {
      member.seek({ topic, partition: 1_000, offset: 0 })
      return 'ok'
    }),
    'no group id, commit': (context) => withMember(context, {}, async () => 'ok', { groupId: '' }),
    'no group id, subscribe': (context) => withMember(context, {}, async () => 'ok', { groupId: '' }),
    'empty group id': (context) => withMember(context, {}, async () => 'ok', { groupId: '' }),
    'commit after being thrown out': (context) => withMember(context, {}, async (member, topic) => {
      await member.read({ maxWaitMs: 0 })
      await context.clock.advance(thrownOutAfterMs)
      await new Promise((resolve) => setImmediate(resolve))
      await member.commit([{ topic, partition: 0, offset: 0 }])
      return 'ok'
    }, { maxPollIntervalMs: thrownOutAfterMs }),

    'subscribe and assign': clientOnly,
    'poll without subscription': clientOnly,
    /** Settings of Java's producer; ours has neither acks nor retries nor requests in flight to choose. */
    async config(context, args) {
      if (args['transactional.id'] === undefined || args['enable.idempotence'] !== false) throw new ClientOnlyStep()
      await context.broker.openProducer({ transactionalId: textOf(args['transactional.id']), idempotent: false })
      return 'ok'
    },
  },
  wire: {},
}

async function withMember(
  context: ScenarioEngine, args: JsonObject, run: (member: GroupMember, topic: string) => Promise<Json>, options: Partial<GroupOptions> = {},
): Promise<Json> {
  const [topic] = await context.engine.listTopics({ includeInternal: false })
  const member = await context.broker.joinGroup({ groupId: `java-consumer-${++groups}`, topics: [topic!], offsetReset: resetOf(args['auto.offset.reset']), ...options })
  try {
    return await run(member, topic!)
  } finally {
    await member.leave()
  }
}

/** What is no duration of ISO 8601 is handed on as it is. */
function resetOf(text: Json | undefined): OffsetReset {
  const parts = /^by_duration:P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?$/.exec(textOf(text ?? 'latest'))
  if (parts === null) return textOf(text ?? 'latest') as OffsetReset
  return { maxAgeMs: ['D', 'H', 'M', 'S'].reduce((sum, unit, index) => sum + Number(parts[index + 1] ?? 0) * unitMs[unit]!, 0) }
}

/** A position of which nothing can be read, and that is none out of range, is the end. */
async function poll({ engine }: ScenarioEngine, member: GroupMember, topic: string): Promise<Json> {
  const offsets: number[] = []
  let position = engine.log.partition({ topic, partition: 0 }).log.highWatermark
  for (let reads = 0; reads < readsUntilSettled; reads++) {
    for (const { batches, nextOffset } of (await member.read({ maxWaitMs: 0 })).partitions) {
      for (const batch of batches) for (const { offset } of batch) offsets.push(offset)
      position = nextOffset
    }
  }
  return { offsets, position }
}
