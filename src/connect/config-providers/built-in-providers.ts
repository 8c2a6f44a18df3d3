import { join } from 'node:path'
import type { RawConfig } from '../config-spec.ts'
import { configError } from '../errors.ts'
import { parseProperties } from '../properties.ts'
import type { ConfigProviderFactory } from './config-provider.ts'
import { readSecretFile } from '../disk.ts'

/** `${file:/run/secrets/db.properties:password}`: a key of a properties file. */
const fileProvider: ConfigProviderFactory = (params) => {
  const allowed = allowedPaths(params)
  return { get: (path, key) => own(parseProperties(readSecretFile(path, allowed)), key) }
}

/** `${dir:/run/secrets:password}`: a file of a folder, the whole of it. */
const directoryProvider: ConfigProviderFactory = (params) => {
  const allowed = allowedPaths(params)
  return {
    get(path, key) {
      if (/[/\\]/.test(key)) throw configError(`"${key}" is not the name of a file in ${path}`)
      return readSecretFile(join(path, key), allowed)
    },
  }
}

/** `${env:DB_PASSWORD}`: a variable of the worker's environment. */
const environmentProvider: ConfigProviderFactory = (params) => {
  const pattern = new RegExp(`^(?:${params['allowlist.pattern'] ?? '.*'})$`)
  return { get: (_path, key) => (pattern.test(key) ? process.env[key] : undefined) }
}

function allowedPaths(params: RawConfig): readonly string[] | null {
  const paths = (params['allowed.paths'] ?? '').split(',').map((path) => path.trim()).filter((path) => path !== '')
  return paths.length === 0 ? null : paths
}

function own(members: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(members, key) ? members[key] : undefined
}

/** By upstream's class names; the short ones are what a provider of that name is when it names no class. */
export const builtInProviders: Readonly<Record<string, ConfigProviderFactory>> = {
  'org.apache.kafka.common.config.provider.FileConfigProvider': fileProvider,
  'org.apache.kafka.common.config.provider.DirectoryConfigProvider': directoryProvider,
  'org.apache.kafka.common.config.provider.EnvVarConfigProvider': environmentProvider,
  'file': fileProvider,
  'dir': directoryProvider,
  'directory': directoryProvider,
  'env': environmentProvider,
}
