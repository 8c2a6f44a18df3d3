import { consumerProtocolType, decodeSubscription } from '../consumer-protocol.ts'
import type { TopicPartition } from '../record.ts'
import type { OffsetCommitValue } from './coordinator-records.ts'
import { metadataOf } from './group-state.ts'
import type { GroupState, MemberState } from './group-state.ts'

type OffsetTest = (offset: OffsetCommitValue & TopicPartition) => boolean

/**
 * Which of a group's offsets are forgotten, by Kafka's rules (KIP-211); null: none, whatever their age. A time of its own that
 * came with a commit goes before all of them.
 * ```
 *   never had a member, or is no consumer group   by the age of each commit
 *   empty                                         so long after its last member left
 *   stable                                        by the age of each commit, of topics that nobody in it reads any more
 *   between two generations                       none
 * ```
 */
export function offsetExpiry(state: GroupState | undefined, { now, retentionMs }: { readonly now: number; readonly retentionMs: number }): OffsetTest | null {
  const isPast = ({ expireTimestamp }: OffsetCommitValue, since: number) => (expireTimestamp >= 0 ? now >= expireTimestamp : now - since >= retentionMs)
  if (state?.phase === 'stable' && state.protocolType === consumerProtocolType) {
    const read = new Set([...state.members.values()].flatMap((member) => subscribedTopics(state, member)))
    return (offset) => !read.has(offset.topic) && isPast(offset, offset.commitTimestamp)
  }
  if (state !== undefined && state.phase !== 'empty') return null
  const emptySince = state?.protocolType === consumerProtocolType ? state.phaseTimestamp : null
  return (offset) => isPast(offset, emptySince ?? offset.commitTimestamp)
}

/** None for members of groups that are no consumer groups. */
export function subscribedTopics(state: GroupState, member: MemberState): readonly string[] {
  return state.protocolType === consumerProtocolType ? decodeSubscription(metadataOf(member, state.protocol)).topics : []
}
