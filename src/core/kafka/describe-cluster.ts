import type { ClusterDescription } from '../broker.ts'
import { isStreamError } from '../errors.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { throwIfError } from './kafka-errors.ts'
import { describeQuorum } from './wire/index.ts'

const metadataTopic = '__cluster_metadata'

/** @throws BACKEND_UNAVAILABLE (retriable), NOT_AUTHORIZED */
export async function describeKafkaCluster(cluster: KafkaCluster): Promise<ClusterDescription> {
  const { brokers, clusterId, controllerId } = await cluster.retrying(() => cluster.overview())
  const nodes = brokers.map(({ nodeId, host, port, rack }) => ({ nodeId, address: `${host.includes(':') ? `[${host}]` : host}:${port}`, rack }))
  return { clusterId, controller: await activeController(cluster) ?? controllerId, nodes: nodes.sort((a, b) => a.nodeId - b.nodeId) }
}

/**
 * In a cluster without ZooKeeper the metadata names any broker as the controller, and passes requests on; the truth is who
 * leads the quorum. Undefined where there is no quorum.
 */
async function activeController(cluster: KafkaCluster): Promise<number | undefined> {
  try {
    return await cluster.retrying(async () => {
      const answer = await cluster.sendToAny(describeQuorum, { topics: [{ topicName: metadataTopic, partitions: [{ partitionIndex: 0 }] }] })
      throwIfError(answer.errorCode, 'asking for the active controller')
      const quorum = answer.topics[0]?.partitions[0]
      throwIfError(quorum?.errorCode ?? 0, 'asking for the active controller')
      return quorum?.leaderId
    })
  } catch (error) {
    if (isStreamError(error, 'UNSUPPORTED')) return undefined
    throw error
  }
}
