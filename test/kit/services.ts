/**
 * The real services that tests run against. A test file says what it needs:
 *
 *   await describeWith('postgres', 'PostgresSinkTask', (server) => { … freshDatabase(server) … })
 *
 * and is run against the one instance of this test run, skipped loudly with the reason where that cannot be had, and
 * failed where CI=true. The instance belongs to global-setup.ts.
 */
import { afterAll, describe, inject, it } from 'vitest'
import type {} from './global-setup.ts'
import { serviceStarters } from './service-starters.ts'
import type { ServiceAddresses } from './service-starters.ts'
import { askForShared, unavailable } from './shared-services.ts'
import type { SharedService } from './shared-services.ts'

/** A `describe` whose tests need a service. Await it at the top of the test file. */
export async function describeWith<Name extends keyof ServiceAddresses>(
  name: Name,
  title: string,
  body: (address: ServiceAddresses[Name]) => void,
): Promise<void> {
  const found = await findService(name)
  if (found.kind === 'available') {
    describe(title, () => body(found.address))
  } else if (process.env['CI'] === 'true') {
    describe(title, () => it(`needs ${name}`, () => Promise.reject(new Error(found.reason))))
  } else {
    console.warn(`SKIPPED: ${title}: ${found.reason}`)
    describe(title, () => it.skip(`needs ${name}, but there is ${found.reason}`, () => undefined))
  }
}

/** Asks the run's own instance; where vitest runs without the globalSetup, the test file starts one for itself. */
async function findService<Name extends keyof ServiceAddresses>(name: Name): Promise<SharedService<ServiceAddresses[Name]>> {
  const port = inject('servicesPort') as number | undefined
  if (port !== undefined) return askForShared(port, name)
  return serviceStarters[name]().then((address) => {
    afterAll(() => address.stop())
    return { kind: 'available', address } as const
  }, unavailable)
}
