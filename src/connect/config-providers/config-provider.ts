import type { RawConfig } from '../config-spec.ts'

/** Looks up what stands for `${name:path:key}` in a config: upstream's ConfigProvider (KIP-297). */
export interface ConfigProvider {
  /** `path` is empty for `${name:key}`. undefined: there is no such key. @throws INVALID_CONFIG when the path cannot be read or is not allowed; never says the value */
  get(path: string, key: string): string | undefined
}

/** Made from `config.providers.<name>.param.*`. */
export type ConfigProviderFactory = (params: RawConfig) => ConfigProvider
