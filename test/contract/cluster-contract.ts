import { expect } from 'vitest'
import type { Promises } from './broker-suite.ts'
import { createTopic } from './contract-kit.ts'

export function clusterContract(promises: Promises): void {
  promises('says which nodes are up, where leaders and replicas are among them, and who controls them', async (broker, another) => {
    const cluster = await broker.describeCluster()
    const nodeIds = cluster.nodes.map(({ nodeId }) => nodeId)
    expect(nodeIds).toEqual([...new Set(nodeIds)].sort((a, b) => a - b))
    expect(cluster.controller).toBeGreaterThanOrEqual(0)
    const [description] = await broker.topics.describe([await createTopic(broker, { partitions: 3 })])
    for (const { leader, replicas } of description!.partitions) {
      expect(nodeIds).toContain(leader)
      expect(nodeIds).toEqual(expect.arrayContaining([...replicas]))
    }
    expect(await another.describeCluster()).toEqual(cluster)
  })
}
