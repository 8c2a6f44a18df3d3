import { expect, it } from 'vitest'
import type { SinkRecord } from 'millrace/connect'
import { retriableError, systemClock } from 'millrace/connect'
import type { StreamError } from 'millrace/connect'
import { postgresSink } from '../../../../connectors/postgres/plugins.ts'
import { BatchUnderWay } from '../../../../connectors/postgres/sink/batch-under-way.ts'
import type { WriteBatch } from '../../../../connectors/postgres/sink/batch-under-way.ts'
import { freshDatabase, queryRows } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'
import { SinkHarness } from '../../../kit/sink-harness.ts'

const record = (offset: number, partition = 0) => ({ originalTopic: 't', originalPartition: partition, originalOffset: offset }) as SinkRecord
const batch = [record(5), record(6), record(9, 1)]
const ends = [{ topic: 't', partition: 0, offset: 7 }, { topic: 't', partition: 1, offset: 10 }, { topic: 'other', partition: 0, offset: 3 }]
const begins = [{ topic: 't', partition: 0, offset: 5 }, { topic: 't', partition: 1, offset: 9 }, { topic: 'other', partition: 0, offset: 3 }]

/** Sends at once, and is told later how it ends. */
function server() {
  const written: number[] = []
  const answers: ((error?: Error) => void)[] = []
  const write: WriteBatch = (records, sent) => new Promise((resolve, reject) => {
    written.push(records.length)
    answers.push((error) => (error === undefined ? resolve() : reject(error)))
    sent()
  })
  return { written, answers, write }
}

it('is safe up to where it is committed, and its records are kept until then', async () => {
  const underWay = new BatchUnderWay()
  const { answers, write, written } = server()
  await underWay.start(batch, write)
  expect(underWay.safe(ends)).toEqual(begins)
  answers[0]!()
  await underWay.rest()
  expect(underWay.safe(ends)).toEqual(ends)
  await underWay.settle(write)
  expect(written).toEqual([3])
})

it('is written once more when the trouble may pass, and stays with who asked when it does not', async () => {
  const underWay = new BatchUnderWay()
  const { answers, write, written } = server()
  await underWay.start(batch, write)
  answers[0]!(retriableError('away'))
  await underWay.rest()
  expect(underWay.safe(ends)).toEqual(begins)
  const settled = underWay.settle(write)
  await expect.poll(() => answers.length).toBe(2)
  answers[1]!(retriableError('still away'))
  await expect(settled).rejects.toThrow('still away')
  expect(underWay.safe(ends)).toEqual(begins)
  const again = underWay.settle(write)
  await expect.poll(() => answers.length).toBe(3)
  answers[2]!()
  await again
  expect(underWay.safe(ends)).toEqual(ends)
  expect(written).toEqual([3, 3, 3])
})

it('is not tried again at once when it fails for good, and forgets partitions that went away', async () => {
  const underWay = new BatchUnderWay()
  const { answers, write, written } = server()
  await underWay.start(batch, write)
  answers[0]!(new Error('no such thing'))
  await expect(underWay.settle(write)).rejects.toThrow('no such thing')
  expect(written).toEqual([3])
  underWay.drop([{ topic: 't', partition: 0 }])
  expect(underWay.safe(ends)).toEqual([ends[0], begins[1], ends[2]])
})

it('belongs to who handed it over when it fails before it is sent', async () => {
  const underWay = new BatchUnderWay()
  await expect(underWay.start(batch, () => Promise.reject(new Error('not even connected')))).rejects.toThrow('not even connected')
  expect(underWay.safe(ends)).toEqual(ends)
})

await describeWith('postgres', 'a batch that is sent', (postgres) => {
  const slow = `create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.5); return null; end $$; create trigger slow after insert on t execute function slow()`

  it('is written once, also when its connection is cut before the answer, and its offsets wait for it', async () => {
    const url = await freshDatabase(postgres)
    await queryRows(url, `create table t (n int); ${slow}`)
    const sink = new SinkHarness(postgresSink, { 'connection.url': url }, systemClock)
    await sink.start()
    for (let n = 0; n < 600; n++) sink.append('t', 0, { value: { n } })
    await sink.put()
    expect(await queryRows(url, 'select count(*)::int as rows from t')).toEqual([{ rows: 0 }])
    await queryRows(url, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'millrace under-test%'`)
    expect(await sink.commit()).toEqual([{ topic: 't', partition: 0, offset: 0 }])
    sink.append('t', 0, { value: { n: 600 } })
    await sink.put()
    expect(await sink.commit()).toEqual([{ topic: 't', partition: 0, offset: 601 }])
    await sink.stop()
    expect(await queryRows(url, 'select count(*)::int as rows, count(distinct n)::int as distinct from t')).toEqual([{ rows: 601, distinct: 601 }])
  }, 60_000)

  it('says what its commit met, and keeps its records', async () => {
    const url = await freshDatabase(postgres)
    await queryRows(url, 'create table u (n int primary key); create table t (n int references u deferrable initially deferred)')
    const sink = new SinkHarness(postgresSink, { 'connection.url': url }, systemClock)
    await sink.start()
    for (let n = 0; n < 600; n++) sink.append('t', 0, { value: { n } })
    await sink.put().catch(() => undefined)
    sink.append('t', 0, { value: { n: 600 } })
    await expect(sink.put()).rejects.toThrow('violates foreign key constraint')
    expect(await sink.commit()).toEqual([{ topic: 't', partition: 0, offset: 0 }])
    await queryRows(url, 'insert into u select generate_series(0, 600)')
    await sink.put()
    await sink.stop()
    expect(await queryRows(url, 'select count(*)::int as rows, count(distinct n)::int as distinct from t')).toEqual([{ rows: 601, distinct: 601 }])
    expect(sink.rejected).toEqual([])
  }, 60_000)

  it('is refused by the put that it came with, where records to blame are searched for', async () => {
    const url = await freshDatabase(postgres)
    await queryRows(url, 'create table u (n int primary key); create table t (n int references u deferrable initially deferred)')
    const sink = new SinkHarness(postgresSink, { 'connection.url': url }, systemClock)
    sink.bisects = true
    await sink.start()
    for (let n = 0; n < 600; n++) sink.append('t', 0, { value: { n } })
    await expect(sink.put()).rejects.toSatisfy((error: StreamError) => error.message.includes('violates foreign key constraint') && error.details['ofEarlierRecords'] === undefined)
    await queryRows(url, 'insert into u select generate_series(0, 600)')
    await sink.put()
    await sink.stop()
    expect(await queryRows(url, 'select count(*)::int as rows from t')).toEqual([{ rows: 600 }])
  }, 60_000)
})
