import { describe, expect, it } from 'vitest'
import { ConfigStore } from '../../../../src/connect/runtime/herder/config-store.ts'
import { soloCluster } from '../../../../src/connect/runtime/herder/cluster.ts'
import { ZombieFencing } from '../../../../src/connect/runtime/herder/zombie-fencing.ts'
import type { Broker, Producer } from '../../../../src/core/index.ts'
import { afterTest, openBroker, readTopic } from '../connect-kit.ts'

const plan = (tasks: number) => Array.from({ length: tasks }, (_, task) => ({ part: String(task) }))

async function openFencing() {
  const broker = await openBroker()
  const fenced: string[] = []
  /** Called before each id is taken over. */
  const hooks = { beforeTakeOver: async () => {} }
  const openProducer: Broker['openProducer'] = async (options) => {
    await hooks.beforeTakeOver()
    fenced.push(options!.transactionalId!)
    return broker.openProducer(options)
  }
  const configs = ConfigStore.inMemory(() => {})
  await configs.putConnector('c', { 'connector.class': 'C' })
  const fencing = new ZombieFencing({ broker: { openProducer }, configs, cluster: soloCluster(() => 'w'), groupId: 'g' })
  return { broker, configs, fencing, fenced, hooks }
}

async function openTask(broker: Broker, task: number): Promise<Producer> {
  const producer = await broker.openProducer({ transactionalId: `g-c-${task}` })
  afterTest(() => producer.close())
  return producer
}

async function write(producer: Producer, value: string): Promise<void> {
  producer.begin()
  await producer.append({ topic: 'out', value: Buffer.from(value) })
  await producer.commit()
}

describe('fencing of tasks of earlier plans', () => {
  it('shuts out every task of the plan before, also those that the new plan has no more', async () => {
    const { broker, configs, fencing, fenced } = await openFencing()
    await broker.topics.create([{ topic: 'out' }])
    await configs.putTasks('c', plan(3))
    await fencing.fence('c')
    expect(fenced).toEqual([])
    const tasks = await Promise.all([0, 1, 2].map((task) => openTask(broker, task)))
    for (const [task, producer] of tasks.entries()) await write(producer, `first ${task}`)
    await configs.putTasks('c', plan(1))
    await fencing.fence('c')
    expect(fenced.toSorted()).toEqual(['g-c-0', 'g-c-1', 'g-c-2'])
    for (const producer of tasks) await expect(write(producer, 'zombie')).rejects.toMatchObject({ code: expect.stringMatching(/PRODUCER_FENCED|INVALID_PRODUCER_EPOCH/) as unknown })
    expect((await readTopic(broker, 'out')).map(({ value }) => value)).toEqual(['first 0', 'first 1', 'first 2'])
    await fencing.fence('c')
    expect(fenced).toHaveLength(3)
    expect(configs.state.fencing('c')).toMatchObject({ tasks: 1, isPending: false })
  })

  it('leaves one task to fence the one before it, and knows of tasks of a connector that was removed', async () => {
    const { configs, fencing, fenced } = await openFencing()
    await configs.putTasks('c', plan(1))
    await fencing.fence('c')
    await configs.putTasks('c', plan(1))
    await fencing.fence('c')
    expect(fenced).toEqual([])
    await configs.putTasks('c', plan(2))
    await fencing.fence('c')
    expect(fenced).toEqual(['g-c-0'])
    await configs.remove('c')
    await configs.putConnector('c', { 'connector.class': 'C' })
    await configs.putTasks('c', plan(1))
    await fencing.fence('c')
    expect(fenced).toEqual(['g-c-0', 'g-c-0', 'g-c-1'])
  })

  it('is one round for all tasks that ask at the same time', async () => {
    const { configs, fencing, fenced } = await openFencing()
    await configs.putTasks('c', plan(20))
    await fencing.fence('c')
    await configs.putTasks('c', plan(20))
    const { generation } = configs.state.fencing('c')
    await Promise.all(plan(20).map((_, task) => fencing.enter({ connector: 'c', task, generation }, new AbortController().signal)))
    expect(new Set(fenced).size).toBe(20)
    expect(fenced).toHaveLength(20)
  })

  it('does not count when the connector was planned anew meanwhile: what that plan follows is fenced, too', async () => {
    const { configs, fencing, fenced, hooks } = await openFencing()
    await configs.putTasks('c', plan(2))
    await fencing.fence('c')
    await configs.putTasks('c', plan(2))
    hooks.beforeTakeOver = async () => {
      hooks.beforeTakeOver = async () => {}
      await configs.putTasks('c', plan(3))
    }
    await expect(fencing.fence('c')).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE', retriable: true })
    expect(configs.state.fencing('c')).toMatchObject({ tasks: 2, isPending: true })
    fenced.length = 0
    await fencing.fence('c')
    expect(fenced.toSorted()).toEqual(['g-c-0', 'g-c-1'])
    expect(configs.state.fencing('c')).toMatchObject({ tasks: 3, isPending: false })
  })

  it('refuses a task of an earlier plan that comes late, also when it has its transactional id already', async () => {
    const { configs, fencing } = await openFencing()
    await configs.putTasks('c', plan(2))
    const { generation } = configs.state.fencing('c')
    const late = { connector: 'c', task: 1, generation }
    await fencing.enter(late, new AbortController().signal)
    await fencing.confirm(late)
    await configs.putTasks('c', plan(1))
    await expect(fencing.confirm(late)).rejects.toMatchObject({ retriable: true, message: expect.stringContaining('task c-1 is of a plan that is not the last one any more') as unknown })
    await expect(fencing.enter(late, new AbortController().signal)).rejects.toMatchObject({ retriable: true })
  })
})
