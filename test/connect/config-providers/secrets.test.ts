import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Secrets } from '../../../src/connect/config-providers/secrets.ts'
import { connectorError, ConnectWorker } from '../../../src/connect/index.ts'
import { afterTest, FedSource, memoryLog, openBroker, temporaryDirectory, until } from '../runtime/connect-kit.ts'

const withEnv = (name: string, value: string) => {
  process.env[name] = value
  afterTest(() => { delete process.env[name] })
}

describe('Secrets', () => {
  it('fills in keys of files, files of folders, and variables', () => {
    const folder = temporaryDirectory()
    writeFileSync(join(folder, 'db.properties'), 'user=ada\npassword=open sesame')
    withEnv('MILLRACE_TEST_HOST', 'db.example')
    const secrets = Secrets.from({
      'config.providers': 'file, secrets, env', 'config.providers.secrets.class': 'org.apache.kafka.common.config.provider.DirectoryConfigProvider',
    })
    expect(secrets.resolve({
      url: `postgres://\${file:${folder}/db.properties:user}@\${env:MILLRACE_TEST_HOST}/x`, whole: `\${secrets:${folder}:db.properties}`, plain: '${topic}-${timestamp}', none: null,
    })).toEqual({ url: 'postgres://ada@db.example/x', whole: 'user=ada\npassword=open sesame', plain: '${topic}-${timestamp}', none: null })
  })

  it('leaves configs as they are when there is no provider', () => {
    expect(Secrets.from({}).resolve({ a: '${env:HOME}' })).toEqual({ a: '${env:HOME}' })
  })

  it('doubts what looks like a placeholder when there is no provider', () => {
    expect(Secrets.from({}).doubts({ 'url': 'postgres://${env:USER}@db', 'replacement': '${routedByValue}-events' })).toEqual(['url holds ${env:USER}, which nothing fills in: the worker\'s config names no provider; set config.providers=env there'])
    expect(Secrets.from({ 'config.providers': 'env' }).doubts({ url: '${env:USER}' })).toEqual([])
  })

  it('names the key and the placeholder of what cannot be filled in', () => {
    const secrets = Secrets.from({ 'config.providers': 'env,file' })
    expect(() => secrets.resolve({ 'a.b': '${env:MILLRACE_NOWHERE}' })).toThrow('a.b: ${env:MILLRACE_NOWHERE} cannot be filled in: there is no "MILLRACE_NOWHERE"')
    expect(() => secrets.resolve({ 'a.b': '${file:/nowhere:x}' })).toThrow(/a\.b: \$\{file:\/nowhere:x\} cannot be filled in: the config provider cannot read \/nowhere/)
    expect(() => secrets.resolve({ 'a.b': '${vault:x}' })).toThrow('a.b: there is no config provider "vault" for ${vault:x}; known: env, file')
    expect(() => Secrets.from({ 'config.providers': 'evn' })).toThrow('there is no config provider evn; did you mean env?')
  })

  it('keeps to the paths and variables that are allowed, through links too', () => {
    const folder = temporaryDirectory()
    const inside = join(folder, 'in')
    mkdirSync(inside)
    writeFileSync(join(folder, 'secret'), 'x')
    symlinkSync(join(folder, 'secret'), join(inside, 'link'))
    const secrets = Secrets.from({
      'config.providers': 'dir,env', 'config.providers.dir.param.allowed.paths': inside, 'config.providers.env.param.allowlist.pattern': 'MILLRACE_OK_.*',
    })
    for (const path of [`\${dir:${folder}:secret}`, `\${dir:${inside}:link}`]) expect(() => secrets.resolve({ a: path })).toThrow('is not in allowed.paths')
    expect(() => secrets.resolve({ a: `\${dir:${inside}:../secret}` })).toThrow('is not the name of a file')
    withEnv('MILLRACE_OTHER', 'x')
    expect(() => secrets.resolve({ a: '${env:MILLRACE_OTHER}' })).toThrow('there is no "MILLRACE_OTHER"')
  })
})

describe('a worker', () => {
  it('shows a secret in no status, log or error', async () => {
    withEnv('MILLRACE_SECRET', 'hunter2')
    const broker = await openBroker()
    const source = new FedSource()
    source.polls.push(() => { throw connectorError('login with hunter2 refused') })
    const log = memoryLog()
    const worker = ConnectWorker.open({ broker, plugins: [source.plugin], log, config: { 'config.providers': 'env', 'restart.policy': 'none' } })
    afterTest(() => worker.stop())
    const config = { 'connector.class': 'FedSource', 'limit': '${env:MILLRACE_SECRET}' }
    await expect(worker.start({ name: 'wrong', config })).rejects.toThrow('Invalid value ${env:MILLRACE_SECRET} for configuration limit: Not a number of type INT')
    withEnv('MILLRACE_LIMIT', '1234')
    await worker.start({ name: 'fed', config: { 'connector.class': 'FedSource', 'limit': '${env:MILLRACE_LIMIT}' } })
    await until(() => worker.status()[0]!.tasks[0]?.state === 'FAILED', 'the task fails')
    expect(worker.status()[0]!.tasks[0]!.trace).toContain('login with ${env:MILLRACE_SECRET} refused')
    expect(`${log.lines.join()} ${JSON.stringify(worker.status())} ${String(worker.failure())}`).not.toContain('hunter2')
  })

  it.each(['restart', 'none'])('looks secrets up again when their time is over, and starts what uses a changed one anew where that is asked for (%s)', async (action) => {
    const file = join(temporaryDirectory(), 'db.properties')
    writeFileSync(file, 'limit=1234')
    const broker = await openBroker()
    const [user, other] = [new FedSource(), new FedSource()]
    const log = memoryLog()
    const plugins = [user.plugin, { ...other.plugin, class: 'test.Other' }]
    const worker = ConnectWorker.open({ broker, plugins, log, config: { 'config.providers': 'file', 'config.providers.file.param.ttl.ms': '20', 'value.converter': 'StringConverter' } })
    afterTest(() => worker.stop())
    await worker.start({ name: 'fed', config: { 'connector.class': 'FedSource', 'limit': `\${file:${file}:limit}`, 'config.action.reload': action } })
    await worker.start({ name: 'other', config: { 'connector.class': 'Other', 'limit': '5' } })
    user.feed('a')
    await until(() => user.acknowledged.length === 1, 'the first record is there')
    rmSync(file)
    await until(() => log.lines.some((line) => line.includes('cannot be looked up again')) || action === 'none', 'a file that is away is told of, and changes nothing')
    expect(user.started).toHaveLength(1)
    writeFileSync(file, 'limit=56789')
    if (action === 'restart') await until(() => user.started.length === 2, 'the task starts with the new secret')
    user.feed('b')
    await until(() => user.acknowledged.length === 2, 'the second record is there')
    expect([user.started.length, other.started.length]).toEqual([action === 'restart' ? 2 : 1, 1])
    expect(worker.status()[0]!.tasks[0]).toMatchObject({ state: 'RUNNING', attempts: 0 })
    expect(`${log.lines.join()} ${JSON.stringify(worker.status())}`).not.toMatch(/1234|56789/)
  })

  it('refuses a time to live that is none', () => {
    expect(() => Secrets.from({ 'config.providers': 'env', 'config.providers.env.param.ttl.ms': '0' })).toThrow('must be a number of milliseconds from 1')
  })
})
