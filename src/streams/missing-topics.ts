import { StreamError, isStreamError } from '../core/index.ts'

/** What a person does about topics that do not exist is part of it. */
export function missingTopics(topics: readonly string[]): StreamError {
  const commands = topics.map((topic) => `millrace topics --create --topic ${topic} --partitions 1`)
  const [what, them] = topics.length === 1 ? [`the topic ${topics[0]} does`, 'it'] : [`the topics ${topics.join(', ')} do`, 'them']
  return new StreamError('UNKNOWN_TOPIC_OR_PARTITION', `${what} not exist; create ${them} first: ${commands.join(' && ')}`, { details: { topics } })
}

/** A record names a topic for which nobody has looked yet: no policy decides about that; the thread looks, and the record comes again. */
export function unseenTopic(topic: string): StreamError {
  return new StreamError('UNKNOWN_TOPIC_OR_PARTITION', `nobody has looked yet whether the topic ${topic} exists`, { details: { topics: [topic], unseen: true } })
}

export function isUnseenTopic(error: unknown): boolean {
  return isStreamError(error, 'UNKNOWN_TOPIC_OR_PARTITION') && error.details['unseen'] === true
}
