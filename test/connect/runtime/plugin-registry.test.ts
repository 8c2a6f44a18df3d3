import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { PluginRegistry } from '../../../src/connect/index.ts'
import { ManualClock } from '../../kit/manual-clock.ts'
import { FedSource, temporaryDirectory, until } from './connect-kit.ts'

const fixture = fileURLToPath(new URL('./fixtures/counting-plugin.mjs', import.meta.url))

describe('PluginRegistry', () => {
  it.each(['millrace.file.FileSource', 'FileSource', 'org.apache.kafka.connect.file.FileStreamSourceConnector'])('finds a built-in connector as %s', async (name) => {
    expect((await new PluginRegistry().connector(name)).module).toBe('millrace/connectors/file')
  })

  it('finds a plugin by the last part of its class, with or without its suffix', async () => {
    const registry = new PluginRegistry({ plugins: [new FedSource().plugin] })
    for (const name of ['test.FedSource', 'FedSource']) expect((await registry.connector(name)).module).toBeNull()
    expect(registry.converter('String').class).toBe('org.apache.kafka.connect.storage.StringConverter')
    expect(registry.transform('Cast$Value').class).toBe('org.apache.kafka.connect.transforms.Cast$Value')
    expect(registry.predicate('RecordIsTombstone').type).toBe('predicate')
  })

  it('loads modules by a path from where the process runs, and a folder by its index', async () => {
    const folder = join(temporaryDirectory(), 'plugins')
    mkdirSync(folder)
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    writeFileSync(join(folder, 'index.js'), "export const plugins = [{ type: 'source', class: 'a.Foldered', version: '1' }]")
    const registry = new PluginRegistry({ modules: [`./${relative(process.cwd(), fixture)}`, folder] })
    expect((await registry.connector('CountingSource')).module).toMatch(/^file:.*counting-plugin\.mjs$/)
    expect((await registry.connector('Foldered')).module).toMatch(/^file:.*index\.js$/)
  })

  it('takes a folder of plugins, with two versions of one side by side', async () => {
    const folder = temporaryDirectory()
    for (const version of ['1.9.0', '1.10.0']) {
      mkdirSync(join(folder, `tide-${version}`))
      writeFileSync(join(folder, `tide-${version}`, 'package.json'), '{"type":"module","main":"tide.js"}')
      writeFileSync(join(folder, `tide-${version}`, 'tide.js'), `export const plugins = [{ type: 'source', class: 'org.acme.Tide', version: '${version}' }]`)
    }
    mkdirSync(join(folder, 'no-plugin'))
    const registry = new PluginRegistry({ modules: [folder] })
    expect((await registry.connector('org.acme.Tide')).module).toMatch(/tide-1\.10\.0\/tide\.js$/)
    expect(await registry.connector('org.acme.Tide', '1.9.0')).toMatchObject({ plugin: { version: '1.9.0' }, module: expect.stringMatching(/tide-1\.9\.0\/tide\.js$/) as string })
    expect(registry.versionsOf('org.acme.Tide')).toEqual(['1.10.0', '1.9.0'])
    await expect(registry.connector('org.acme.Tide', '2.0.0')).rejects.toThrow('org.acme.Tide in version 2.0.0')
  })

  it('names the module that cannot be loaded, and what is wrong with it', async () => {
    expect(() => new PluginRegistry({ modules: ['./nowhere.mjs'] })).toThrow(/plugin\.path: there is no module at .*nowhere\.mjs/)
    await expect(new PluginRegistry({ modules: ['millrace'] }).loadGiven()).rejects.toThrow('the module millrace exports no list named "plugins"')
  })

  it('waits no longer than half a minute for a module that hangs, and takes it when it comes', async () => {
    const folder = temporaryDirectory()
    writeFileSync(join(folder, 'late.mjs'), "await new Promise((resolve) => { globalThis.letLatePluginGo = resolve })\nexport const plugins = [{ type: 'source', class: 'a.Late', version: '1' }]")
    const clock = new ManualClock()
    const told: string[] = []
    const registry = new PluginRegistry({ modules: [join(folder, 'late.mjs')], onBroken: ({ message }) => told.push(message), clock })
    const found = registry.connector('FileSource')
    await until(() => 'letLatePluginGo' in globalThis, 'it is being loaded')
    await clock.advance(30_000)
    expect((await found).plugin.class).toBe('millrace.file.FileSource')
    expect(told).toEqual([expect.stringMatching(/late\.mjs cannot be loaded: it has not finished after 30 s/)])
    ;(globalThis as unknown as { letLatePluginGo: () => void }).letLatePluginGo()
    await until(() => registry.connector('Late').then(() => true, () => false), 'it is there when it has finished')
  })

  it('loads each module once, however many ask for connectors at a time', async () => {
    const folder = temporaryDirectory()
    const names = ['One', 'Two', 'Three']
    for (const name of names) writeFileSync(join(folder, `${name}.mjs`), `export const plugins = [{ type: 'source', class: 'a.${name}', version: '1' }]`)
    const registry = new PluginRegistry({ modules: names.map((name) => join(folder, `${name}.mjs`)) })
    const found = await Promise.all(names.map((name) => registry.connector(name)))
    expect(found.map(({ plugin }) => plugin.class)).toEqual(['a.One', 'a.Two', 'a.Three'])
    expect((await registry.connectors()).filter(({ plugin }) => plugin.class.startsWith('a.'))).toHaveLength(3)
  })

  it('passes over a broken module where somebody is told of it, and names it when a class is missing', async () => {
    const folder = temporaryDirectory()
    writeFileSync(join(folder, 'broken.mjs'), "throw new Error('no licence')")
    writeFileSync(join(folder, 'sound.mjs'), "export const plugins = [{ type: 'source', class: 'a.Sound', version: '1' }]")
    const told: string[] = []
    const registry = new PluginRegistry({ modules: [join(folder, 'broken.mjs'), join(folder, 'sound.mjs')], onBroken: ({ message }) => told.push(message) })
    expect((await registry.connector('Sound')).plugin.class).toBe('a.Sound')
    expect((await registry.connector('FileSource')).plugin.class).toBe('millrace.file.FileSource')
    expect(told).toEqual([expect.stringMatching(/the plugin module file:.*broken\.mjs cannot be loaded: no licence/)])
    await expect(registry.connector('Gone')).rejects.toThrow('broken.mjs cannot be loaded: no licence')
    expect(() => registry.transform('Gone')).toThrow('broken.mjs cannot be loaded: no licence')
  })

  it('names the nearest class', async () => {
    await expect(new PluginRegistry().connector('FielSource')).rejects.toMatchObject({ code: 'PLUGIN_NOT_FOUND', message: expect.stringMatching(/did you mean File\w*Source/) as string })
  })
})
