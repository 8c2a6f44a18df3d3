import type { ClusterDescription, GroupAdmin, GroupMember, GroupOptions, Producer, ProducerOptions, Reader, ReaderOptions, TopicAdmin } from '../broker.ts'
import { StreamError } from '../errors.ts'
import { describeKafkaCluster } from './describe-cluster.ts'
import { removeMember } from './group-membership.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { KafkaGroupAdmin } from './kafka-group-admin.ts'
import { joinKafkaGroup } from './kafka-group-member.ts'
import { openKafkaProducer } from './kafka-producer.ts'
import { KafkaReader } from './kafka-reader.ts'
import { KafkaTopicAdmin } from './kafka-topic-admin.ts'
import type { KafkaBrokerOptions } from './open-kafka-broker.ts'
import type { ClusterBroker } from './shared-kafka.ts'

/** The seam over an Apache Kafka cluster. Closing it closes what was opened from it. */
export class KafkaBroker implements ClusterBroker {
  /** How it was opened: another thread opens its own in the same way. */
  readonly options: KafkaBrokerOptions
  readonly topics: TopicAdmin
  readonly groups: GroupAdmin
  readonly #cluster: KafkaCluster
  readonly #producers = new Set<Producer>()
  readonly #readers = new Set<Reader>()
  readonly #members = new Set<GroupMember>()
  #closing: Promise<void> | undefined

  constructor(cluster: KafkaCluster, options: KafkaBrokerOptions) {
    this.#cluster = cluster
    this.options = options
    this.topics = new KafkaTopicAdmin(cluster)
    this.groups = new KafkaGroupAdmin(cluster)
  }

  async openProducer(options: ProducerOptions = {}): Promise<Producer> {
    this.#ensureOpen()
    const producer = await openKafkaProducer(this.#cluster, options, (closed) => this.#producers.delete(closed))
    return this.#keep(this.#producers, producer, () => producer.close())
  }

  async openReader(options: ReaderOptions = {}): Promise<Reader> {
    this.#ensureOpen()
    const reader = new KafkaReader(this.#cluster, options, (closed) => this.#readers.delete(closed))
    return this.#keep(this.#readers, reader, () => reader.close())
  }

  async joinGroup(options: GroupOptions): Promise<GroupMember> {
    this.#ensureOpen()
    return joinKafkaGroup(this.#cluster, options, { opened: (member) => this.#members.add(member), left: (member) => this.#members.delete(member) })
  }

  async describeCluster(): Promise<ClusterDescription> {
    this.#ensureOpen()
    return describeKafkaCluster(this.#cluster)
  }

  /** For a member whose thread has died. */
  async removeMember(groupId: string, memberId: string): Promise<void> {
    const lane = this.#cluster.openLane()
    await removeMember(this.#cluster, lane, groupId, { memberId, groupInstanceId: null })
    this.#cluster.closeLane(lane)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.all([...[...this.#members].map((member) => member.leave()), ...[...this.#producers].map((producer) => producer.close())])
    await Promise.all([...this.#readers].map((reader) => reader.close()))
    this.#cluster.close()
  }

  /** What was opened while the broker was closing is closed with it. */
  async #keep<T>(opened: Set<T>, one: T, close: () => Promise<void>): Promise<T> {
    opened.add(one)
    if (this.#closing === undefined) return one
    await close()
    return this.#ensureOpen()
  }

  #ensureOpen(): never
  #ensureOpen(): void
  #ensureOpen(): void {
    if (this.#closing !== undefined) throw new StreamError('CLOSED', 'the connection to the Kafka cluster was closed')
  }
}
