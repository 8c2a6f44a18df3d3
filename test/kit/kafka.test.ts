import { expect, it } from 'vitest'
import { freshName, runKafkaTool } from './kafka.ts'
import { describeWith } from './services.ts'

await describeWith('kafka', 'the Apache Kafka of the test kit', (kafka) => {
  it('answers Kafka\'s own command line tools', async () => {
    const topic = freshName('kit')
    const tool = (...options: string[]) => runKafkaTool('org.apache.kafka.tools.TopicCommand', ['--bootstrap-server', kafka.bootstrapServers, ...options])
    await tool('--create', '--topic', topic)
    expect((await tool('--list')).split('\n')).toContain(topic)
  }, 120_000)
})
