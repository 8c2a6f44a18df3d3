import assert from 'node:assert/strict'
import { sleep, systemClock } from '../../core/index.ts'
import type { RawConfig } from '../config-spec.ts'
import { unknownKeys } from '../config-spec.ts'
import type { ConnectorPlugin, Log, PluginContext } from '../connector.ts'
import { baseSpec } from '../runtime/validate-connector.ts'
import { silentLog } from '../runtime/log.ts'

/** One thing that is checked; `run` throws what is wrong. For any test runner: `for (const { name, run } of suite) it(name, run)`. */
export interface SuiteCheck {
  readonly name: string
  readonly run: () => Promise<void>
}

/** What a connector under test has around it. */
export interface SuiteSystem {
  /** The connector's config for it: valid, with every required option. */
  readonly config: RawConfig
  close?(): void | Promise<void>
}

/** How long a step may take before it counts as hanging: as long as a worker gives tasks to stop. */
export const defaultPatienceMs = 5000

/** @throws when the step has not ended in time */
export async function inTime<T>(step: Promise<T>, what: string, patienceMs: number): Promise<T> {
  const done = new AbortController()
  const late = sleep(systemClock, patienceMs, done.signal).then(() => {
    if (!done.signal.aborted) assert.fail(`${what} took more than ${patienceMs} ms`)
  })
  try {
    return (await Promise.race([step, late])) as T
  } finally {
    done.abort()
  }
}

export function contextFor(signal: AbortSignal, log: Log = silentLog): PluginContext {
  return { connectorName: 'under-test', clock: systemClock, log, signal }
}

/** Starts the connector, lets it divide its work, and stops it. */
export async function plan(plugin: ConnectorPlugin, config: RawConfig, maxTasks: number): Promise<readonly RawConfig[]> {
  const connector = plugin.createConnector()
  const context = { ...contextFor(new AbortController().signal), requestTaskReconfiguration: () => {}, raiseError: (error: Error) => { throw error } }
  await connector.start(plugin.config.parse(config) as never, context)
  const configs = await connector.taskConfigs(maxTasks)
  await connector.stop()
  return configs
}

/** As the worker does it: laid over the connector's config. */
export function taskConfigOf(plugin: ConnectorPlugin, config: RawConfig, taskConfig: RawConfig): unknown {
  return (plugin.taskConfig ?? plugin.config).parse({ ...config, ...taskConfig })
}

export function configChecks(plugin: ConnectorPlugin, open: () => Promise<SuiteSystem>): readonly SuiteCheck[] {
  const { config: spec } = plugin
  return [
    check('says who it is and what each of its options means', async () => {
      assert.match(plugin.class, /^[\w$]+(\.[\w$]+)+$/, 'the class is a dotted path')
      assert.notEqual(plugin.version, '', 'it has a version')
      for (const [name, { settings }] of Object.entries(spec.options)) assert.notEqual(settings.doc.trim(), '', `the option ${name} has a "doc"`)
    }),
    check('takes its config, and complains of each required option that is missing', async () => {
      await withSystem(open, async ({ config }) => {
        const errors = spec.check(config).flatMap((each) => each.errors)
        assert.deepEqual([...errors, ...unknownKeys(config, [baseSpec(plugin), spec]).values()], [], 'the config of the suite is valid')
        const required = Object.entries(spec.options).filter(([, { settings }]) => settings.default === undefined).map(([name]) => name)
        for (const name of required) {
          const without = Object.fromEntries(Object.entries(config).filter(([key]) => key !== name))
          assert.throws(() => spec.parse(without), new RegExp(name.replaceAll('.', String.raw`\.`)), `a config without ${name} is refused by name`)
        }
      })
    }),
    check('divides its work into task configs that its tasks take, never more than asked for', async () => {
      await withSystem(open, async ({ config }) => {
        for (const maxTasks of [1, 2, 5]) {
          const configs = await plan(plugin, config, maxTasks)
          assert.ok(configs.length <= maxTasks, `taskConfigs(${maxTasks}) gave ${configs.length}`)
          for (const each of configs) {
            for (const [key, value] of Object.entries(each)) assert.ok(value === null || typeof value === 'string', `${key} of a task config is text`)
            taskConfigOf(plugin, config, each)
          }
        }
      })
    }),
  ]
}

export function check(name: string, run: () => Promise<void>): SuiteCheck {
  return { name, run }
}

/** Opens a system for one check and closes it again. */
export async function withSystem<S extends SuiteSystem>(open: () => Promise<S>, use: (system: S) => Promise<void>): Promise<void> {
  const system = await open()
  try {
    await use(system)
  } finally {
    await system.close?.()
  }
}
