/** vitest's globalSetup: holds the real services of a test run, each started when the first test file asks for it. */
import type { TestProject } from 'vitest/node'
import { setExtraCertificatesAside } from './extra-certificates.ts'
import { serviceStarters } from './service-starters.ts'
import { serveShared } from './shared-services.ts'

declare module 'vitest' {
  interface ProvidedContext {
    servicesPort: number
  }
}

export default async function serveForThisRun(project: TestProject): Promise<() => Promise<void>> {
  setExtraCertificatesAside(process.env)
  const services = await serveShared(serviceStarters)
  project.provide('servicesPort', services.port)
  return () => services.close()
}
