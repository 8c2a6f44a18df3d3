/**
 * Behind some proxies NODE_EXTRA_CA_CERTS names certificates. Node parses them at each start, which takes longer (70 ms for a system's
 * usual ones) than all else that a small process does; tests start hundreds, and all but npm speak to loopback only.
 */
const variable = 'NODE_EXTRA_CA_CERTS'
const aside = 'MILLRACE_TEST_CA_CERTS'

/** For this process and those that it starts from now on. */
export function setExtraCertificatesAside(environment: NodeJS.ProcessEnv): void {
  if (environment[variable] === undefined) return
  environment[aside] = environment[variable]
  delete environment[variable]
}

/** For a process that fetches something. */
export function withExtraCertificates(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const path = environment[aside]
  return path === undefined ? environment : { ...environment, [variable]: path }
}
