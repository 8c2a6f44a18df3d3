/** What package.json and the lockfile must keep to. */

export interface PackageJson {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly scripts?: Readonly<Record<string, string>>
}

export interface LockFile {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly optional?: boolean; readonly hasInstallScript?: boolean; readonly resolved?: string }>>
}

const installHooks = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish']

export function looseVersions(manifest: PackageJson): readonly string[] {
  const ours = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.devDependencies }
  return [
    ...Object.entries(ours).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)).map(([name, version]) => `${name}: ${version} is no exact version`),
    // A peer is the user's own copy: what they have of the same major version must do.
    ...Object.entries(manifest.peerDependencies ?? {}).filter(([, range]) => !/^[\^~]?\d+\.\d+\.\d+$/.test(range)).map(([name, range]) => `${name}: ${range} is no bounded range`),
  ]
}

/** Nothing may run on a user's machine because our package was installed. */
export function installScripts(manifest: PackageJson, lock: LockFile): readonly string[] {
  const own = installHooks.filter((hook) => manifest.scripts?.[hook] !== undefined).map((hook) => `package.json: a script named ${hook} would run at install`)
  const theirs = Object.entries(lock.packages).filter(([, entry]) => entry.hasInstallScript === true && entry.dev !== true && entry.optional !== true)
  return [...own, ...theirs.map(([name]) => `${name} has an install script and is on the default path`)]
}

/** Whoever installs has a registry of their own. */
export function registryAddresses(lock: LockFile): readonly string[] {
  return Object.entries(lock.packages).flatMap(([name, { resolved }]) =>
    resolved === undefined || resolved.startsWith('https://registry.npmjs.org/') ? [] : [`${name}: ${resolved}`],
  )
}
